// Slack's mrkdwn, as descriptions for dom.js. Also dates, mentions and emoji, which rich_text shares.
//
// Whatever the text holds ends up as text: the only link targets are http, https and mailto, and nothing is markup.
// `names` is {user(id), channel(id), group(id)}: each answers a name to show, or null when nobody by that id is known.

import { h } from "./dom.js";

const TOKEN = new RegExp(
  [
    /<(?<angle>[^<>\n]+)>/,
    /`(?<code>[^`\n]+)`/,
    /(?<![\p{L}\p{N}*])\*(?!\s)(?<bold>[^*\n]*[^*\s])\*(?![\p{L}\p{N}*])/,
    /(?<![\p{L}\p{N}_])_(?!\s)(?<italic>[^_\n]*[^_\s])_(?![\p{L}\p{N}_])/,
    /(?<![\p{L}\p{N}~])~(?!\s)(?<strike>[^~\n]*[^~\s])~(?![\p{L}\p{N}~])/,
    /:(?<emoji>[a-z0-9_+-]+):/,
  ]
    .map((part) => part.source)
    .join("|"),
  "gu",
);
const STYLED = { bold: "b", italic: "i", strike: "s" };
const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };

const EMOJI = {
  white_check_mark: "✅",
  heavy_check_mark: "✔️",
  x: "❌",
  warning: "⚠️",
  rotating_light: "🚨",
  red_circle: "🔴",
  large_green_circle: "🟢",
  large_yellow_circle: "🟡",
  large_red_square: "🟥",
  red_square: "🟥",
  large_green_square: "🟩",
  hourglass_flowing_sand: "⏳",
  hourglass: "⌛",
  arrow_forward: "▶️",
  double_vertical_bar: "⏸️",
  pause_button: "⏸️",
  black_square_for_stop: "⏹️",
  white_small_square: "▫️",
  grey_question: "❔",
  question: "❓",
  lock: "🔒",
  unlock: "🔓",
  no_entry: "⛔",
  no_entry_sign: "🚫",
  rewind: "⏪",
  leftwards_arrow_with_hook: "↩️",
  fire: "🔥",
  eyes: "👀",
  wave: "👋",
  tada: "🎉",
  thumbsup: "👍",
  "+1": "👍",
  thumbsdown: "👎",
  "-1": "👎",
  rocket: "🚀",
  bulb: "💡",
  memo: "📝",
  bell: "🔔",
  information_source: "ℹ️",
  construction: "🚧",
  shield: "🛡️",
  mag: "🔍",
  package: "📦",
  file_cabinet: "🗄️",
  link: "🔗",
};

/** The emoji of a short name, or null when we have none. */
export const emoji = (name) => EMOJI[name] ?? null;

/** Slack escapes exactly these three; everything else stands for itself. */
export const plain = (text) => String(text ?? "").replace(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity]);

/** A text object ({type, text}) as descriptions. Emoji work in plain_text too; formatting does not. */
export function textObject(object, names) {
  if (!object) return [];
  if (typeof object === "string") return [plainWithEmoji(object)];
  return object.type === "mrkdwn" ? mrkdwn(object.text, names) : [plainWithEmoji(object.text)];
}

/** Plain text in which only :short_names: are turned into emoji. */
export function plainWithEmoji(text) {
  return String(text ?? "").replace(/:([a-z0-9_+-]+):/g, (all, name) => emoji(name) ?? all);
}

/** A whole mrkdwn text: preformatted parts, quoted lines, and the rest. */
export function mrkdwn(text, names) {
  const parts = String(text ?? "").split(/```([\s\S]+?)```\n?/);
  return parts.map((part, index) =>
    index % 2
      ? h("pre", { class: "mrk-pre" }, literal(part.replace(/^\n|\n$/g, ""), names))
      : quotesAndLines(part, names),
  );
}

function quotesAndLines(text, names) {
  const out = [];
  for (const chunk of text.split(/((?:^(?:>|&gt;) ?.*(?:\n|$))+)/m)) {
    if (/^(?:>|&gt;)/.test(chunk)) {
      const inside = chunk.replace(/^(?:>|&gt;) ?/gm, "").replace(/\n$/, "");
      out.push(h("blockquote", { class: "mrk-quote" }, inline(inside, names)));
    } else if (chunk) out.push(...inline(chunk, names));
  }
  return out;
}

function inline(text, names) {
  const out = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const token = styled(match.groups, names);
    if (token === null) continue;
    out.push(plain(text.slice(end, match.index)), token);
    end = match.index + match[0].length;
  }
  out.push(plain(text.slice(end)));
  return out;
}

function styled(groups, names) {
  if (groups.angle !== undefined) return reference(groups.angle, names);
  if (groups.code !== undefined) return h("code", { class: "mrk-code" }, literal(groups.code, names));
  if (groups.emoji !== undefined) return emoji(groups.emoji);
  const style = Object.keys(STYLED).find((name) => groups[name] !== undefined);
  return h(STYLED[style], {}, inline(groups[style], names));
}

/** Inside code nothing is formatted, but references still show their label. */
function literal(text, names) {
  return plain(text.replace(/<([^<>\n]+)>/g, (_, inside) => words(reference(inside, names))));
}

const words = (description) =>
  typeof description === "string" ? description : description.children.map(words).join("");

function reference(inside, names) {
  const bar = inside.indexOf("|");
  const body = bar < 0 ? inside : inside.slice(0, bar);
  const label = bar < 0 ? "" : inside.slice(bar + 1);
  if (body.startsWith("@")) return mention(names.user(body.slice(1)) ?? plain(label || body.slice(1)), "@");
  if (body.startsWith("#"))
    return mention(names.channel(body.slice(1)) ?? plain(label || body.slice(1)), "#");
  if (body.startsWith("!date^")) return slackDate(body, plain(label));
  if (body.startsWith("!subteam^"))
    return mention(names.group(body.slice(9)) ?? plain(label || body.slice(9)), "@");
  if (body.startsWith("!")) return mention(plain(label || body.slice(1)), "@");
  return link(plain(body), plain(label));
}

/** A mention of a person, group or channel; the sign is not doubled when the name brings its own. */
export function mention(name, sign) {
  return h("span", { class: "mention" }, name.startsWith(sign) ? name : sign + name);
}

/** A link, or only its words when its target is not one that a reader may be sent to. */
export function link(url, label) {
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return label || `<${url}>`;
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: url }, label || url);
}

function slackDate(body, fallback) {
  const [, seconds, format, url] = body.split("^");
  if (!/^-?\d+$/.test(seconds ?? "") || !format) return fallback || body;
  const shown = dateWords(Number(seconds), format);
  if (shown === null) return fallback || body;
  const time = h("time", { datetime: isoOf(Number(seconds)), title: fallback || null }, shown);
  return url ? link(plain(url), shown) : time;
}

const isoOf = (seconds) => {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
};
const inZone = (options) => (date) => new Intl.DateTimeFormat("en-GB", options).format(date);
const SHORT = inZone({ day: "numeric", month: "short", year: "numeric" });
const MIDDLE = inZone({ day: "numeric", month: "long", year: "numeric" });
const LONG = inZone({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const DATES = {
  date: MIDDLE,
  date_short: SHORT,
  date_long: LONG,
  date_slash: inZone({ dateStyle: "short" }),
  date_num: (date) => new Intl.DateTimeFormat("sv-SE").format(date),
  date_pretty: pretty(MIDDLE),
  date_short_pretty: pretty(SHORT),
  date_long_pretty: pretty(LONG),
  day_divider_pretty: pretty(LONG),
  time: inZone({ hour: "2-digit", minute: "2-digit" }),
  time_secs: inZone({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
  ago,
};

/** Slack's date format string, in the reader's own zone; null when there is no such time. */
export function dateWords(seconds, format) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return null;
  return format.replace(/\{(\w+)\}/g, (all, name) => DATES[name]?.(date) ?? all);
}

function pretty(otherwise) {
  return (date) => {
    const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
    return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days] ?? otherwise(date);
  };
}

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

function ago(date) {
  const minutes = Math.round((date.getTime() - Date.now()) / 60_000);
  const units = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (Math.abs(minutes) < 90) return units.format(minutes, "minute");
  if (Math.abs(minutes) < 36 * 60) return units.format(Math.round(minutes / 60), "hour");
  return units.format(Math.round(minutes / 1440), "day");
}
