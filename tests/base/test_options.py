"""`options`: what a command line or a file sets, and what it may not."""

import copy
import datetime
import doctest
import io
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from toolkit import options as module
from toolkit.options import Error, OptionParser
from toolkit.options import parser as parser_module


class Email:
    """A type of the user's own."""

    def __init__(self, value: str) -> None:
        if "@" not in value:
            raise ValueError("no @")
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Email) and other.value == self.value

    __hash__ = None  # type: ignore[assignment]


def parsed(*args: str, **definition: Any) -> Any:
    """Return the value of the option ``x`` after these arguments."""
    parser = OptionParser()
    parser.define("x", **definition)
    assert parser.parse_command_line(["program", *args]) == []
    return parser.x


# -- values ------------------------------------------------------------------------------

DAY = datetime.datetime(2013, 4, 28)
MINUTE = DAY.replace(hour=5, minute=16)
SECOND = MINUTE.replace(second=7)


@pytest.mark.feature("R12")
@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        (str, "a=b, c", "a=b, c"),
        (str, "", ""),
        (int, "-42", -42),
        (float, "1.5e3", 1500.0),
        *[(bool, word, True) for word in ("true", "T", "1", "yes", "Y", "on")],
        *[(bool, word, False) for word in ("false", "F", "0", "No", "n", "off")],
        *[(datetime.datetime, text, DAY) for text in ("2013-04-28", "20130428")],
        *[
            (datetime.datetime, text, MINUTE)
            for text in ("2013-04-28 05:16", "2013-04-28T05:16", "20130428 05:16")
        ],
        *[
            (datetime.datetime, text, SECOND)
            for text in (
                "2013-04-28 05:16:07",
                "2013-04-28 5:16:07",
                "20130428 05:16:07",
                "Sun Apr 28 05:16:07 2013",
                "20130428T051607",
            )
        ],
        (datetime.datetime, "2013-04-28T05:16:07Z", SECOND.replace(tzinfo=datetime.UTC)),
        (datetime.datetime, "05:16", datetime.datetime(1900, 1, 1, 5, 16)),
        *[
            (datetime.timedelta, text, datetime.timedelta(hours=1, minutes=30))
            for text in ("1h 30m", "1h30m", "1.5 hours", "90min", "5400", "1 hr 30 mins", "5.4e3s")
        ],
        (datetime.timedelta, "1w 2d", datetime.timedelta(days=9)),
        (datetime.timedelta, "-5 ms", datetime.timedelta(milliseconds=-5)),
        (datetime.timedelta, "7 microseconds", datetime.timedelta(microseconds=7)),
        (Email, "a@b", Email("a@b")),
        (lambda text: text[::-1], "abc", "cba"),
    ],
)
def test_a_value_is_made_from_a_string(type: Any, text: str, expected: Any) -> None:
    value = parsed(f"--x={text}", type=type)
    assert value == expected
    assert value.__class__ is expected.__class__


@pytest.mark.parametrize(
    ("type", "text", "message"),
    [
        (int, "a", "'x' is of type int, not 'a'"),
        (int, "", "'x' is of type int, not ''"),
        (int, "9" * 5000, "'x' is of type int, not '9{100}'"),
        (int, "1:5", "'x' is of type int, not '1:5'"),
        (float, "1,5", "'x' is of type float"),
        (bool, "maybe", "'x' is of type bool, not 'maybe': true or false"),
        (bool, "", "'x' is of type bool"),
        (datetime.datetime, "yesterday", "Unrecognized date/time format"),
        (datetime.timedelta, "1 month", "'month' is no unit of time; there are days, hours"),
        (datetime.timedelta, "minutes", "a number and its unit"),
        (datetime.timedelta, "", "a number and its unit"),
        (datetime.timedelta, "1h, 2m", "a number and its unit"),
        (datetime.timedelta, "1e999 s", "'x' is of type timedelta"),
        (Email, "a", "'x' is of type Email, not 'a': no @"),
        (bytes, "a", "'x' is of type bytes"),
    ],
)
def test_a_string_that_makes_no_value_is_an_error(type: Any, text: str, message: str) -> None:
    with pytest.raises(Error, match=message) as caught:
        parsed(f"--x={text}", type=type)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        (int, "1,3,5:7", [1, 3, 5, 6, 7]),
        (int, "-2:1", [-2, -1, 0, 1]),
        (int, "4:,5:4", [4]),
        (str, "a, b,c:d", ["a", " b", "c:d"]),
        (str, "", [""]),
        (bool, "yes,no", [True, False]),
        (Email, "a@b,c@d", [Email("a@b"), Email("c@d")]),
    ],
)
def test_an_option_may_have_multiple_values(type: Any, text: str, expected: Any) -> None:
    assert parsed(f"--x={text}", type=type, multiple=True) == expected


@pytest.mark.parametrize("text", ["1,", "1:2:3", "a:b", "1:99999999999"])
def test_a_list_of_numbers_has_numbers_only_and_not_too_many(text: str) -> None:
    with pytest.raises(Error, match="'x'"):
        parsed(f"--x={text}", type=int, multiple=True)


def test_a_value_of_any_length_is_parsed_in_proportion() -> None:
    """In a time that grows with the square these would take minutes."""
    for text in ("1h" * 50_000 + "!", " " * 200_000 + "!", "9" * 200_000 + "!", "1e" * 100_000):
        with pytest.raises(Error):
            parsed(f"--x={text}", type=datetime.timedelta)
        with pytest.raises(Error):
            parsed(f"--x={text}", type=datetime.datetime)
    assert len(parsed("--x=" + "a," * 100_000, multiple=True)) == 100_001


@pytest.mark.parametrize(
    ("definition", "value", "kind"),
    [
        ({}, None, str),
        ({"default": 5}, 5, int),
        ({"default": "a", "type": int}, "a", int),
        ({"multiple": True}, [], str),
        ({"multiple": True, "default": [1]}, [1], str),
        ({"multiple": True, "default": 5}, 5, int),
    ],
)
def test_the_default_gives_the_type_unless_it_is_given(
    definition: dict[str, Any], value: Any, kind: type
) -> None:
    assert parsed(**definition) == value
    changed = parsed("--x=7", **definition)
    assert (changed[0] if definition.get("multiple") else changed) == kind(7)


# -- command lines -----------------------------------------------------------------------


@pytest.mark.feature("R12")
@pytest.mark.parametrize(
    ("args", "remaining", "port", "verbose"),
    [
        ([], [], 80, False),
        (["--port=1", "--verbose"], [], 1, True),
        (["-port=1", "--verbose=false"], [], 1, False),
        (["--port=1", "--port=2", "a", "--port=3"], ["a", "--port=3"], 2, False),
        (["--verbose", "--", "--port=1"], ["--port=1"], 80, True),
        (["--verbose", "-", "--port=1"], ["-", "--port=1"], 80, True),
    ],
)
def test_options_come_before_the_other_arguments(
    args: list[str], remaining: list[str], port: int, verbose: bool
) -> None:
    parser = OptionParser()
    parser.define("port", default=80)
    parser.define("verbose", default=False)
    given = ["program", *args]
    assert parser.parse_command_line(given) == remaining
    assert (parser.port, parser.verbose) == (port, verbose)
    assert given == ["program", *args]


def test_the_arguments_are_those_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--x=5", "rest"])
    parser = OptionParser()
    parser.define("x", type=int)
    assert parser.parse_command_line() == ["rest"]
    assert parser.x == 5


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--prot=1", "Unrecognized command line option: 'prot'; is it 'port'?"),
        ("--zzz", "Unrecognized command line option: 'zzz'$"),
        ("--=1", "Unrecognized command line option: ''$"),
        ("--port", "Option 'port' requires a value"),
    ],
)
def test_a_wrong_argument_is_an_error(
    argument: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = OptionParser()
    parser.define("port", default=80)
    with pytest.raises(Error, match=message.replace("?", r"\?")):
        parser.parse_command_line(["program", argument])
    assert ("Usage:" in capsys.readouterr().err) == ("Unrecognized" in message)


@pytest.mark.parametrize("defined", ["a-b_c", "a_b-c"])
def test_dashes_and_underscores_are_the_same(defined: str) -> None:
    parser = OptionParser()
    parser.define(defined, default="")
    parser.parse_command_line(["program", "--a_b_c=1"])
    assert parser.a_b_c == parser["a-b-c"] == parser["a_b_c"] == "1"
    assert "a-b_c" in parser
    assert set(parser) == {"help", defined}
    parser["a-b-c"] = "2"
    assert parser.as_dict() == {"help": None, defined: "2"}
    with pytest.raises(Error, match=r"'a_b_c' already defined in .*test_options\.py"):
        parser.define("a_b_c")


# -- help --------------------------------------------------------------------------------

HELP = """\
Usage: program [OPTIONS]

Options:

  --help                           show this text

network options:

  --hosts=HOST,...                 where to find the others, of which there may
                                   be as many as one likes, in the order in
                                   which they are asked (default a,b)
  --port                           (default 80)
  --the-name-of-this-one-is-long=VALUE
                                   why
"""


def test_the_help_text_shows_options_by_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program"])
    parser = OptionParser()
    parser.define("port", default=80, group="network")
    parser.define(
        "hosts",
        default=["a", "b"],
        multiple=True,
        metavar="HOST,...",
        group="network",
        help="where to find the others, of which there may be as many as one likes, in the order"
        " in which they are asked",
    )
    parser.define("the_name_of_this_one_is_long", metavar="VALUE", help="why", group="network")
    out = io.StringIO()
    parser.print_help(out)
    assert out.getvalue() == HELP + "\n"


def test_help_is_shown_and_ends_the_program() -> None:
    program = "from toolkit.options import *; parse_command_line(); print('went on')"
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert "--log-file-prefix=PATH" in done.stderr
    assert parsed("--help=false") is None


# -- access ------------------------------------------------------------------------------


def test_options_are_attributes_and_items() -> None:
    parser = OptionParser()
    parser.define("a", default=1)
    parser.define("b", default=2, group="group")
    parser.a = 3
    parser["b"] = 4
    assert (parser["a"], parser.b) == (3, 4)
    assert sorted(parser.items()) == [("a", 3), ("b", 4), ("help", None)]
    assert parser.groups() == {"", __file__, "group"}
    assert parser.group_dict("group") == {"b": 4}
    assert parser.group_dict("no such group") == {}
    assert parser.group_dict("") == parser.as_dict()
    assert copy.copy(parser).b == 4


def test_an_unknown_option_is_an_attribute_error() -> None:
    parser = OptionParser()
    assert not hasattr(parser, "x")
    assert "x" not in parser
    for use in (lambda: parser.x, lambda: parser["x"], lambda: setattr(parser, "x", 1)):
        with pytest.raises(AttributeError, match="Unrecognized option 'x'"):
            use()


@pytest.mark.parametrize(
    ("definition", "good", "bad"),
    [
        ({"type": int}, [5, None], ["5", 5.0, [5]]),
        ({"type": str}, ["5", None], [b"5", 5]),
        ({"type": int, "multiple": True}, [[5], [], [None]], [5, None, (5,), ["5"]]),
        ({"type": lambda text: 5}, [5, "x"], []),
    ],
)
def test_a_value_that_is_set_has_to_be_of_the_type(
    definition: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    parser = OptionParser()
    parser.define("x", **definition)
    for value in good:
        parser.x = value
        assert parser.x == value
    for value in bad:
        with pytest.raises(Error, match="Option 'x' is required to be"):
            parser.x = value


def test_a_callback_sees_each_new_value() -> None:
    seen: list[Any] = []
    parser = OptionParser()
    parser.define("x", type=int, callback=seen.append)
    parser.define("y", type=int, multiple=True, callback=seen.append)
    parser.parse_command_line(["program", "--x=1", "--y=1:2"])
    parser.x = 3
    assert seen == [1, [1, 2], 3]


def test_parse_callbacks_run_at_the_end_of_each_final_parsing(tmp_path: Path) -> None:
    calls: list[str] = []
    parser = OptionParser()
    parser.add_parse_callback(lambda: calls.append("first"))
    parser.add_parse_callback(lambda: calls.append("second"))
    path = tmp_path / "config"
    path.touch()
    parser.parse_command_line(["program"], final=False)
    parser.parse_config_file(str(path), final=False)
    assert calls == []
    parser.parse_command_line(["program"])
    parser.parse_config_file(str(path))
    assert calls == ["first", "second"] * 2


def test_mock_can_replace_an_option() -> None:
    parser = OptionParser()
    parser.define("x", default=1)
    with mock.patch.object(parser.mockable(), "x", 2):
        assert parser.x == 2
        parser.x = 3
        with mock.patch.object(parser.mockable(), "x", 4):
            assert parser.x == 4
        assert parser.x == 3
    assert parser.x == 1


def test_a_stand_in_for_mock_keeps_one_value_of_each_option() -> None:
    parser = OptionParser()
    parser.define("x", default=1)
    mockable = parser.mockable()
    with pytest.raises(AttributeError):
        del mockable.x
    with pytest.raises(Error):
        mockable.x = "wrong"
    mockable.x = 2
    with pytest.raises(RuntimeError, match="replaced already"):
        mockable.x = 3
    del mockable.x
    assert parser.x == 1


# -- files -------------------------------------------------------------------------------


def configured(path: Path, source: str | bytes, **definition: Any) -> Any:
    """Return the value of the option ``x-y`` after a file."""
    path.write_bytes(source.encode() if isinstance(source, str) else source)
    parser = OptionParser()
    parser.define("x-y", **definition)
    parser.parse_config_file(str(path))
    return parser.x_y


@pytest.mark.parametrize(
    ("source", "definition", "expected"),
    [
        ("x_y = 5\nunknown = 6", {"type": int}, 5),
        ("x_y = '5'", {"type": int}, 5),
        ("x_y = '李康'", {}, "李康"),
        ("x_y = 'a,b'", {}, "a,b"),
        (b"\xef\xbb\xbfx_y = 'bom'", {}, "bom"),
        ("x_y = [1, 2]", {"type": int, "multiple": True}, [1, 2]),
        ("x_y = '1:3'", {"type": int, "multiple": True}, [1, 2, 3]),
        ("x_y = 'a,b'", {"multiple": True}, ["a", "b"]),
        ("from datetime import timedelta\nx_y = timedelta(1)", {"type": datetime.timedelta}, None),
        ("unknown = 6", {"default": 5}, 5),
    ],
)
def test_a_file_sets_options(
    tmp_path: Path, source: str | bytes, definition: dict[str, Any], expected: Any
) -> None:
    if expected is None:
        expected = datetime.timedelta(1)
    assert configured(tmp_path / "config", source, **definition) == expected


def test_a_file_knows_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert configured(Path("config"), "x_y = __file__") == str(tmp_path / "config")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("x_y = 5", Error),
        ("x_y = 'a' +", SyntaxError),
        ("1 / 0", ZeroDivisionError),
        (b"x_y = '\xff'", UnicodeDecodeError),
    ],
)
def test_an_error_in_a_file_is_raised(
    tmp_path: Path, source: str | bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        configured(tmp_path / "config", source)


def test_a_syntax_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError) as caught:
        configured(tmp_path / "config", "x y")
    assert caught.value.filename == str(tmp_path / "config")


# -- the options of the program ----------------------------------------------------------


def test_the_functions_work_on_the_options_of_the_program(tmp_path: Path) -> None:
    """In a process of its own, as there is one of them."""
    (tmp_path / "config").write_text("the_port = 2")
    program = (
        "import io, sys\n"
        "from toolkit.options import *\n"
        "define('the-port', 1, int, 'a port', 'PORT', False, None, print)\n"
        "add_parse_callback(lambda: print('done'))\n"
        "assert parse_command_line(['program', '--the-port=3', 'a'], final=False) == ['a']\n"
        f"parse_config_file({str(tmp_path / 'config')!r})\n"
        "assert options.the_port == 2\n"
        "assert '<string>' in options.groups()\n"
        "print_help(sys.stdout)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("3\n2\ndone\nUsage: -c [OPTIONS]"), done.stderr
    assert "  --the-port=PORT                  a port (default 1)\n" in done.stdout


def test_the_program_has_options_of_logging() -> None:
    assert {"help", "logging", "log_to_stderr", "log_file_prefix", "log_rotate_mode"} <= set(
        module.options
    )


def test_the_examples_of_the_parser_are_true() -> None:
    assert doctest.testmod(parser_module) == (0, 7)
