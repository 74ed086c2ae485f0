// Slack's rich_text blocks, as descriptions for dom.js.

import { h } from "./dom.js";
import { dateWords, emoji, link, mention } from "./mrkdwn.js";

/** The elements of a rich_text block: sections, lists, quotes, preformatted text. */
export function richText(block, names) {
  return (block.elements ?? []).map((element) => container(element, names));
}

function container(element, names) {
  const inside = element.elements ?? [];
  switch (element.type) {
    case "rich_text_section":
      return h(
        "p",
        { class: "rich-line" },
        inside.map((leaf) => span(leaf, names)),
      );
    case "rich_text_list":
      return h(
        element.style === "ordered" ? "ol" : "ul",
        { class: "rich-list", style: { "margin-left": `${Math.min(element.indent ?? 0, 8)}em` } },
        inside.map((item) =>
          h(
            "li",
            {},
            (item.elements ?? []).map((leaf) => span(leaf, names)),
          ),
        ),
      );
    case "rich_text_quote":
      return h(
        "blockquote",
        { class: "mrk-quote" },
        inside.map((leaf) => span(leaf, names)),
      );
    case "rich_text_preformatted":
      return h(
        "pre",
        { class: "mrk-pre" },
        inside.map((leaf) => leaf.text ?? leaf.url ?? ""),
      );
    default:
      return h("p", { class: "rich-line" }, `[${element.type}]`);
  }
}

function span(leaf, names) {
  return dressed(leafWords(leaf, names), leaf.style ?? {});
}

function leafWords(leaf, names) {
  switch (leaf.type) {
    case "text":
      return leaf.text;
    case "link":
      return link(leaf.url ?? "", leaf.text ?? "");
    case "user":
      return mention(names.user(leaf.user_id) ?? leaf.user_id, "@");
    case "channel":
      return mention(names.channel(leaf.channel_id) ?? leaf.channel_id, "#");
    case "usergroup":
      return mention(names.group(leaf.usergroup_id) ?? leaf.usergroup_id, "@");
    case "broadcast":
      return mention(leaf.range, "@");
    case "emoji":
      return emoji(leaf.name) ?? `:${leaf.name}:`;
    case "date":
      return dateWords(leaf.timestamp, leaf.format ?? "") ?? leaf.fallback ?? "";
    default:
      return `[${leaf.type}]`;
  }
}

function dressed(words, style) {
  let out = words;
  if (style.code) out = h("code", { class: "mrk-code" }, out);
  if (style.strike) out = h("s", {}, out);
  if (style.italic) out = h("i", {}, out);
  if (style.bold) out = h("b", {}, out);
  return out;
}
