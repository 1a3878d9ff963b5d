// Write toolkit/locale/names.py and toolkit/locale/formats.json from the CLDR within Node.js:
//
//     node tests/base/make_locale_data.mjs
//
// English is not in formats.json: its formats are in the source (toolkit/locale/formats.py).

import { writeFileSync } from "node:fs";

// The locales that have a name. "es_LA", "ar_AR" and "tl_PH" are no locales of CLDR, but in use.
const CODES = `af_ZA am_ET ar_AE ar_AR ar_EG ar_SA az_AZ be_BY bg_BG bn_IN bs_BA ca_ES cs_CZ cy_GB
  da_DK de_AT de_CH de_DE el_GR en_AU en_CA en_GB en_IE en_IN en_NZ en_US en_ZA es_AR es_ES es_LA
  es_MX et_EE eu_ES fa_IR fi_FI fr_BE fr_CA fr_CH fr_FR ga_IE gl_ES gu_IN he_IL hi_IN hr_HR hu_HU
  hy_AM id_ID is_IS it_CH it_IT ja_JP ka_GE kk_KZ km_KH kn_IN ko_KR lt_LT lv_LV mk_MK ml_IN mn_MN
  mr_IN ms_MY nb_NO ne_NP nl_BE nl_NL nn_NO pa_IN pl_PL pt_BR pt_PT ro_RO ru_RU sk_SK sl_SI sq_AL
  sr_RS sv_SE sw_KE ta_IN te_IN th_TH tl_PH tr_TR uk_UA ur_PK uz_UZ vi_VN zh_CN zh_HK zh_TW zu_ZA`
  .split(/\s+/);

// What these codes are in CLDR.
const ALIASES = { es_LA: "es_419", ar_AR: "ar", tl_PH: "fil", tl: "fil", zh_CN: "zh_Hans",
  zh_TW: "zh_Hant", zh_HK: "zh_Hant_HK" };
const NAMES = { es_LA: ["Español", "Spanish"], ar_AR: ["العربية", "Arabic"],
  zh_CN: ["中文(简体)", "Chinese (Simplified)"], zh_TW: ["中文(繁體)", "Chinese (Traditional)"],
  zh_HK: ["中文(香港)", "Chinese (Hong Kong)"] };
// Languages none of whose countries goes without saying.
const EVERY_REGION = new Set(["ar", "en", "es", "pt"]);

const tag = (code) => (ALIASES[code] ?? code).replaceAll("_", "-");

// -- names -------------------------------------------------------------------------------

function nameIn(language, code) {
  const locale = new Intl.Locale(tag(code));
  const options = { type: "language", languageDisplay: "standard", style: "short" };
  const names = new Intl.DisplayNames(language, options);
  const usual = new Intl.Locale(locale.language).maximize().region === locale.region;
  const shown = usual && !EVERY_REGION.has(locale.language) ? locale.language : locale.toString();
  const name = names.of(shown).replace("（", "(").replace("）", ")");
  if (language === "ka") return name; // capitals of Georgian are for whole words alone
  const [first, ...rest] = name;
  return first.toLocaleUpperCase(language) + rest.join("");
}

const names = CODES.map((code) => {
  const [name, english] = NAMES[code] ?? [nameIn(tag(code), code), nameIn("en", code)];
  return `    ${JSON.stringify(code)}: {"name_en": ${JSON.stringify(english)}, "name": ${JSON.stringify(name)}},`;
});
writeFileSync("toolkit/locale/names.py", `"""What locales are called, in English and by themselves.

Written by \`\`tests/base/make_locale_data.mjs\`\` from the Unicode CLDR (UNICODE-LICENSE.txt).
"""

#: By code: \`\`name_en\`\` and \`\`name\`\`.
LOCALE_NAMES: dict[str, dict[str, str]] = {
${names.join("\n")}
}
`);

// -- formats -----------------------------------------------------------------------------

const BASE = { timeZone: "UTC", calendar: "gregory", numberingSystem: "latn" };
const LONG = { month: "long", day: "numeric" };
const utc = (month, day, hour = 18, minute = 5) => new Date(Date.UTC(2013, month, day, hour, minute));
const SUNDAY = utc(3, 7);

const escaped = (text) => text.replaceAll("%", "%%");

// The parts of a date as a pattern, such as "%(day)s %(month_name)s".
function pattern(language, options) {
  const parts = new Intl.DateTimeFormat(language, { ...BASE, ...options }).formatToParts(SUNDAY);
  return parts.map(({ type, value }) => {
    if (type === "day" || type === "weekday" || type === "year") return `%(${type})s`;
    if (type === "month") return value === "4" ? "%(month)s" : "%(month_name)s";
    if (type === "literal" || type === "era") return escaped(value);
    throw new Error(`${language}: a date has a ${type}`);
  }).join("");
}

function part(language, options, date, type) {
  const parts = new Intl.DateTimeFormat(language, { ...BASE, ...options }).formatToParts(date);
  return parts.find((found) => found.type === type)?.value ?? "";
}

// The pattern of a time, and what each of the hours is part of if they are counted to 12.
function time(language) {
  const options = { timeStyle: "short" };
  const at = (hour, type) => part(language, options, utc(3, 7, hour), type);
  const twelve = at(18, "hour").replace(/^0/, "") === "6";
  const width = at(5, "hour").length === 2 ? "02" : "";
  const parts = new Intl.DateTimeFormat(language, { ...BASE, ...options }).formatToParts(SUNDAY);
  const text = parts.map(({ type, value }) => ({ hour: `%(${twelve ? "hour12" : "hour"})${width}d`,
    minute: "%(minute)02d", dayPeriod: "%(period)s" })[type] ?? escaped(value)).join("");
  const hours = Array.from({ length: 24 }, (_, hour) => hour);
  return { time: text, periods: twelve ? hours.map((hour) => at(hour, "dayPeriod")) : null };
}

// How a day and a time come together, as "%(date)s at %(time)s".
function joined(language, dayOptions, bothOptions) {
  const format = (options) =>
    new Intl.DateTimeFormat(language, { ...BASE, ...options }).format(SUNDAY);
  const both = format(bothOptions);
  const day = format(dayOptions);
  for (const options of [{ timeStyle: "short" }, { hour: "numeric", minute: "numeric" }]) {
    const clock = format(options);
    if (both.includes(day) && both.includes(clock))
      return both.replace(day, "%(date)s").replace(clock, "%(time)s");
  }
  return null;
}

// Relative times: the forms in the order of their first number, and which number takes which.
function ago(language, unit) {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "always", numberingSystem: "latn" });
  const forms = [];
  const which = Array.from({ length: 60 }, (_, count) => {
    // -0 is the past.
    const text = escaped(format.format(count === 0 ? -0 : -count, unit)).replace(String(count), "%(count)d");
    if (!forms.includes(text)) forms.push(text);
    return forms.indexOf(text);
  });
  return [forms, which.join("")];
}

function list(language) {
  const format = new Intl.ListFormat(language, { type: "conjunction" });
  const between = (parts, left, right) => {
    const text = escaped(parts.map(({ value }) => value).join(""));
    return text.slice(text.indexOf(left) + 1, text.indexOf(right));
  };
  const two = escaped(format.format(["A", "B"]));
  const four = format.formatToParts(["A", "B", "C", "D"]);
  const end = between(four, "C", "D");
  return [between(four, "A", "B"), two.replace("A", "%(commas)s").replace("B", "%(last)s"),
    `%(commas)s${end}%(last)s`];
}

function number(language) {
  const format = new Intl.NumberFormat(language, { numberingSystem: "latn" });
  const parts = format.formatToParts(-123456789012);
  const integers = parts.filter(({ type }) => type === "integer").map(({ value }) => value.length);
  const group = parts.find(({ type }) => type === "group")?.value ?? "";
  const minus = parts.slice(0, parts.findIndex(({ type }) => type === "integer"));
  const least = [4, 5, 6].find((digits) => format.format(10 ** (digits - 1)).length > digits) ?? 4;
  return [group, integers.at(-1), integers.at(-2), least, minus.map(({ value }) => value).join("")];
}

function formats(code) {
  const language = tag(code);
  const months = Array.from({ length: 12 }, (_, month) => {
    const name = part(language, LONG, utc(month, 7), "month");
    return /^\d+$/.test(name) ? part(language, { month: "long" }, utc(month, 7), "month") : name;
  });
  // 2013-04-08 is a Monday.
  const weekdays = Array.from({ length: 7 }, (_, day) =>
    part(language, { weekday: "long", ...LONG }, utc(3, 8 + day), "weekday"));
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const clock = { hour: "numeric", minute: "numeric" };
  return {
    months, weekdays,
    day: pattern(language, LONG),
    date: pattern(language, { dateStyle: "long" }),
    weekday_day: pattern(language, { weekday: "long", ...LONG }),
    ...time(language),
    at: joined(language, { dateStyle: "long" }, { dateStyle: "long", timeStyle: "short" }),
    weekday_at: joined(language, { weekday: "long" }, { weekday: "long", ...clock }) ?? "%(date)s %(time)s",
    yesterday: escaped(relative.format(-1, "day")),
    seconds: ago(language, "second"), minutes: ago(language, "minute"), hours: ago(language, "hour"),
    list: list(language),
    number: number(language),
  };
}

// A region has only what differs from its language.
const found = {};
for (const code of CODES) {
  const language = code.split("_")[0];
  if (language !== "en") found[language] ??= formats(language);
}
for (const code of [...CODES, "zh_Hant", "zh_Hans", "es_419", "sr_Latn"]) {
  if (code === "en_US") continue;
  const all = formats(code);
  const base = found[code.split("_")[0]] ?? {};
  const own = Object.entries(all).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(base[key]));
  if (own.length) found[code] = Object.fromEntries(own);
}
const lines = Object.keys(found).sort().map((code) => `${JSON.stringify(code)}: ${JSON.stringify(found[code])}`);
writeFileSync("toolkit/locale/formats.json", `{\n${lines.join(",\n")}\n}\n`);
