// Block Kit's blocks, as descriptions for dom.js. Interactive elements inside them are drawn by elements.js.
//
// Every block is keyed by its block_id: a redraw that keeps the id keeps what a person typed, one that changes it
// starts afresh, which is Slack's own rule.

import { h } from "./dom.js";
import { element } from "./elements.js";
import { mrkdwn, plainWithEmoji, textObject } from "./mrkdwn.js";
import { richText } from "./richtext.js";

const TASK_SIGNS = { pending: "▫️", in_progress: "▶️", complete: "✅", error: "❌" };
const ALERT_SIGNS = { info: "ℹ️", warning: "⚠️", error: "❌", success: "✅" };

const DRAWERS = {
  section,
  context,
  actions,
  input,
  image,
  alert,
  plan,
  table,
  header,
  task_card: taskCard,
  divider: () => h("hr", { class: "divider" }),
  rich_text: (block, ctx) => richText(block, ctx.names),
  markdown: (block, ctx) => h("div", { class: "mrk" }, mrkdwn(fromMarkdown(block.text), ctx.names)),
};

/** Draw a list of blocks. `ctx` is elements.js's, without `block`. */
export function drawBlocks(blocks, ctx) {
  return (blocks ?? []).map((block, index) => drawBlock(block, index, ctx));
}

function drawBlock(block, index, ctx) {
  const type = block?.type ?? "?";
  const draw = Object.hasOwn(DRAWERS, type) ? DRAWERS[type] : unknown;
  return h(
    "div",
    {
      key: `${type}|${block?.block_id ?? `#${index}`}`,
      class: `block b-${type}`,
      "data-block-id": block?.block_id ?? null,
    },
    draw(block, { ...ctx, block }),
  );
}

function unknown(block) {
  return h(
    "div",
    { class: "unknown" },
    h("b", {}, `block “${block?.type ?? "?"}”`),
    " is not drawn here ",
    h("small", {}, readable(block)),
  );
}

/** Whatever words an unknown block holds, so that nothing that it says is lost. */
function readable(value, depth = 0) {
  if (depth > 6 || value === null || typeof value !== "object") return "";
  return Object.entries(value)
    .map(([name, inside]) =>
      typeof inside === "string"
        ? ["text", "title", "alt_text"].includes(name)
          ? inside
          : ""
        : readable(inside, depth + 1),
    )
    .filter(Boolean)
    .join(" · ");
}

function header(block, ctx) {
  return h("h2", { class: "head" }, textObject(block.text, ctx.names));
}

function section(block, ctx) {
  const accessory = block.accessory;
  return [
    h(
      "div",
      { class: "section-words" },
      block.text && h("div", { class: "mrk" }, textObject(block.text, ctx.names)),
      block.fields &&
        h(
          "div",
          { class: "fields" },
          block.fields.map((field) => h("div", { class: "mrk" }, textObject(field, ctx.names))),
        ),
    ),
    accessory &&
      h(
        "div",
        { class: "accessory" },
        accessory.type === "image" ? picture(accessory) : element(accessory, ctx),
      ),
  ];
}

function context(block, ctx) {
  return (block.elements ?? []).map((it) =>
    it.type === "image" ? picture(it) : h("span", { class: "mrk" }, textObject(it, ctx.names)),
  );
}

function actions(block, ctx) {
  return (block.elements ?? []).map((it) => element(it, ctx));
}

function input(block, ctx) {
  const it = block.element ?? {};
  const id = `${ctx.scope}|${block.block_id ?? ""}|${it.action_id ?? ""}`;
  const error = ctx.errorOf?.(block.block_id);
  const inside = {
    ...ctx,
    inputId: id,
    labelledBy: `${id}|label`,
    describedBy: [block.hint && `${id}|hint`, error && `${id}|error`].filter(Boolean).join(" ") || null,
    invalid: Boolean(error),
  };
  return [
    h(
      "label",
      { key: "label", class: "label", for: id, id: `${id}|label` },
      textObject(block.label, ctx.names),
      block.optional && h("span", { class: "optional" }, " (optional)"),
    ),
    element(it, inside),
    error &&
      h(
        "div",
        { key: "error", class: "input-error", id: `${id}|error`, role: "alert" },
        plainWithEmoji(error),
      ),
    block.hint &&
      h("div", { key: "hint", class: "hint", id: `${id}|hint` }, textObject(block.hint, ctx.names)),
  ];
}

function image(block) {
  return h(
    "figure",
    { class: "figure" },
    block.title && h("figcaption", {}, plainWithEmoji(block.title.text)),
    picture(block),
  );
}

/** Only pictures that need no network are shown; for any other, its words. */
function picture(it) {
  const url = it.image_url ?? it.slack_file?.url ?? "";
  if (/^(data:image\/|\/(?!\/))/.test(url) || url.startsWith(location.origin))
    return h("img", { class: "picture", src: url, alt: it.alt_text ?? "" });
  return h("span", { class: "unknown" }, `picture: ${it.alt_text ?? "without words"}`);
}

function alert(block, ctx) {
  const sign = ALERT_SIGNS[block.level];
  return h(
    "div",
    { class: `alert ${block.level ?? "default"}` },
    sign && h("span", {}, sign),
    h("div", { class: "mrk" }, textObject(block.text, ctx.names)),
  );
}

function plan(block, ctx) {
  return h(
    "div",
    { class: "plan" },
    h("b", {}, plainWithEmoji(textOf(block.title))),
    (block.tasks ?? []).map((task) => taskCard(task, ctx)),
  );
}

function taskCard(task, ctx) {
  return h(
    "div",
    { class: `task ${task.status ?? "pending"}` },
    h("span", {}, TASK_SIGNS[task.status] ?? TASK_SIGNS.pending),
    h(
      "div",
      {},
      plainWithEmoji(textOf(task.title)),
      task.details && h("div", { class: "task-more" }, richText(task.details, ctx.names)),
      task.output && h("div", { class: "task-more" }, richText(task.output, ctx.names)),
    ),
  );
}

const textOf = (value) => (typeof value === "string" ? value : (value?.text ?? ""));

function table(block, ctx) {
  const cell = (it) => (it.type === "rich_text" ? richText(it, ctx.names) : plainWithEmoji(it.text ?? ""));
  const [head, ...rows] = block.rows ?? [];
  return h(
    "div",
    { class: "table-box", tabindex: "0" },
    h(
      "table",
      { class: "table" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          (head ?? []).map((it) => h("th", { scope: "col" }, cell(it))),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            row.map((it) => h("td", {}, cell(it))),
          ),
        ),
      ),
    ),
  );
}

/** The little of standard Markdown that differs from mrkdwn and is likely in a card: bold, headings, links. */
function fromMarkdown(text) {
  return String(text ?? "")
    .replace(/^#{1,6} +(.*)$/gm, "*$1*")
    .replace(/\*\*([^*\n]+)\*\*/g, "*$1*")
    .replace(/\[([^\]\n]+)\]\((https?:\/\/[^)\s]+)\)/g, "<$2|$1>");
}
