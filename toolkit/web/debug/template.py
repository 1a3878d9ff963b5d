"""The page for browsers. It has no script, and takes its colours from the browser's scheme."""

PAGE = """<!DOCTYPE html>
{% set error = found.exceptions[0] %}\
{% set what = f"{found.method} {found.url}" %}\
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ error.kind }} at {{ what }}</title>
<style>
:root {
  color-scheme: light dark;
  --back: #fff; --panel: #f5f6f8; --line: #d9dde3; --text: #1c2128; --dim: #667080;
  --bad: #b3261e; --here: #fde7e5; --mark: #f6b8b2; --own: #1a56b0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171c; --panel: #1d2229; --line: #343b46; --text: #dfe4ea; --dim: #93a0b0;
    --bad: #ff8a80; --here: #43201f; --mark: #7c302b; --own: #8ab8ff;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); }
body { font: 15px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2rem; }
h1 { margin: 0; font-size: 1.6rem; color: var(--bad); overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 .6rem; font-size: 1.15rem; }
h3 { margin: 1.6rem 0 .5rem; font-size: 1rem; overflow-wrap: anywhere; }
h3 em { font-style: normal; font-weight: normal; color: var(--dim); }
.message { margin: .5rem 0 0; font-size: 1.1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.request { margin: .5rem 0 0; color: var(--dim); overflow-wrap: anywhere; }
code, pre, td, summary { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .85rem; }
details { margin: .35rem 0; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
summary { padding: .4rem .8rem; background: var(--panel); cursor: pointer; }
summary { overflow-wrap: anywhere; }
summary span { color: var(--dim); }
.own > summary strong { color: var(--own); }
pre { margin: 0; padding: .5rem 0; overflow-x: auto; border-top: 1px solid var(--line); }
pre code { display: block; min-width: max-content; padding: 0 .8rem; }
pre i { display: inline-block; width: 3.5rem; color: var(--dim); }
pre i { font-style: normal; user-select: none; }
.here { background: var(--here); }
mark { background: var(--mark); color: inherit; border-radius: 2px; }
table { width: 100%; border-collapse: collapse; }
td { padding: .25rem .8rem; border-top: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; white-space: pre-wrap; }
td:first-child { width: 14rem; color: var(--dim); }
.none, .left { color: var(--dim); margin: .4rem 0; }
footer { margin-top: 2.5rem; padding-bottom: 2rem; color: var(--dim); font-size: .85rem; }
</style>
</head>
<body>
<header>
<h1>{{ error.kind }}</h1>
{% if error.message %}<p class="message">{{ error.message }}</p>
{% end %}\
<p class="request">{{ found.status }} {{ found.reason }} &middot; {{ what }}</p>
</header>
<main>
<h2>Traceback</h2>
{% for shown in found.exceptions %}\
{% if shown.relation %}\
<h3><em>{{ shown.relation }}</em> {{ shown.kind }}</h3>
{% if shown.message %}<p class="message">{{ shown.message }}</p>
{% end %}\
{% end %}\
{% for note in shown.notes %}<p class="message">{{ note }}</p>
{% end %}\
{% if not shown.frames %}<p class="none">It was never raised.</p>
{% end %}\
{% for at, frame in enumerate(shown.frames) %}\
{% if at == first and shown.left_out %}<p class="left">{{ shown.left_out }} more calls</p>
{% end %}\
<details{% if frame.own %} class="own"{% end %}{% if frame.opened %} open{% end %}>
<summary><strong>{{ frame.function }}</strong>
<span>{{ frame.file }}:{{ frame.number }}</span></summary>
{% if frame.lines %}\
<pre>{% for line in frame.lines %}\
<code{% if line.current %} class="here"{% end %}><i>{{ line.number }}</i>{{ line.before }}\
{% if line.marked %}<mark>{{ line.marked }}</mark>{% end %}{{ line.after }}
</code>{% end %}</pre>
{% end %}\
{% if frame.variables %}\
<table>
{% for name, value in frame.variables %}<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
{% end %}\
</table>
{% end %}\
</details>
{% end %}\
{% end %}\
<h2>Request</h2>
<table>
<tr><td>from</td><td>{{ found.remote_ip }}</td></tr>
<tr><td>handler</td><td>{{ found.handler }}</td></tr>
</table>
{% for title, pairs in found.fields %}\
{% if pairs %}\
<h3>{{ title }}</h3>
<table>
{% for name, value in pairs %}<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
{% end %}\
</table>
{% end %}\
{% end %}\
<h2>Routes</h2>
{% if found.routes %}\
<table>
{% for route in found.routes %}\
<tr><td>{{ route.pattern }}</td><td>{{ route.target }}</td><td>{{ route.name }}</td></tr>
{% end %}\
</table>
{% else %}<p class="none">There are none.</p>
{% end %}\
</main>
<footer>
<p>Values of variables are cut short, and kept back where a name sounds like that of a secret.
This page is here since the application has <code>debug=True</code>: never have that where
others can reach it.</p>
<p>toolkit {{ version }}, Python {{ python }}</p>
</footer>
</body>
</html>
"""
