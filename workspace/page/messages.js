// The message stream and the thread pane: what Slack shows in the middle.

import { drawBlocks } from "./blocks.js";
import { h } from "./dom.js";
import { mrkdwn } from "./mrkdwn.js";

const MOST_KEPT = 500; // descriptions
const TOGETHER_MS = 5 * 60_000; // messages of one person within this time share one name line

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "medium" });
const dayName = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });

/** Everything at the channel's top level, with day lines between. */
export function drawStream(messages, act) {
  return stream(
    messages.filter((message) => !isReply(message)),
    act,
    { inThread: false },
  );
}

/** A thread: its first message, then the replies. */
export function drawThread(messages, threadTs, act) {
  const root = messages.filter((message) => message.ts === threadTs);
  const replies = messages.filter((message) => isReply(message) && message.thread_ts === threadTs);
  return [
    ...stream(root, act, { inThread: true }),
    h(
      "div",
      { key: "count", class: "thread-count" },
      replies.length ? countOf(replies.length) : "No replies yet",
    ),
    ...stream(replies, act, { inThread: true, noDays: true }),
  ];
}

export const isReply = (message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;

function stream(messages, act, options) {
  const out = [];
  let last = null;
  for (const message of messages) {
    const day = new Date(message.at).toDateString();
    if (!options.noDays && (!last || new Date(last.at).toDateString() !== day)) {
      out.push(h("div", { key: `day-${day}`, class: "day" }, h("span", {}, dayWords(message.at))));
      last = null;
    }
    const compact = Boolean(last && together(last, message));
    const told = JSON.stringify([message, compact, act.around(message)]);
    out.push(
      kept(`${message.ts}|${options.inThread}`, told, () => drawMessage(message, compact, act, options)),
    );
    last = message;
  }
  return out;
}

const described = new Map(); // key → {told, description}

/** The description drawn before, when nothing that it tells of has changed: most messages, most of the time. */
function kept(key, told, draw) {
  const before = described.get(key);
  if (before?.told === told) return before.description;
  if (described.size >= MOST_KEPT) described.clear();
  const description = draw();
  described.set(key, { told, description });
  return description;
}

function together(last, message) {
  const near = new Date(message.at) - new Date(last.at) < TOGETHER_MS;
  return (
    near &&
    last.user === message.user &&
    !message.bot &&
    !last.ephemeral &&
    !message.ephemeral &&
    !last.reply_count
  );
}

function dayWords(at) {
  const day = new Date(at).toDateString();
  if (day === new Date().toDateString()) return "Today";
  if (day === new Date(Date.now() - 86_400_000).toDateString()) return "Yesterday";
  return dayName.format(new Date(at));
}

function drawMessage(message, compact, act, options) {
  const author = act.person(message.user);
  const at = new Date(message.at);
  const classes = [
    "message",
    message.ephemeral && "ephemeral",
    compact && "compact",
    message.bot && "from-bot",
  ];
  return h(
    "article",
    {
      key: message.ts,
      class: classes.filter(Boolean).join(" "),
      "data-ts": message.ts,
      tabindex: "-1",
      "aria-label": `${author.name}, ${clock.format(at)}`,
    },
    h(
      "div",
      { class: "gutter" },
      compact ? h("time", { class: "side-time" }, clock.format(at)) : avatar(author),
    ),
    h(
      "div",
      { class: "message-body" },
      message.ephemeral &&
        h(
          "div",
          { class: "only-you" },
          h("span", { class: "icon eye", "aria-hidden": "true" }),
          "Only visible to you",
        ),
      !compact &&
        h(
          "div",
          { class: "by" },
          h("b", { class: "author" }, author.name),
          message.bot && h("span", { class: "app-badge" }, "APP"),
          h("time", { datetime: message.at, title: exact.format(at) }, clock.format(at)),
        ),
      content(message, act),
      message.edited && h("span", { class: "edited" }, "(edited)"),
      (message.attachments ?? []).map((attachment) => drawAttachment(attachment, message, act)),
      !options.inThread && message.reply_count > 0 && repliesButton(message, act),
    ),
    !message.ephemeral && tools(message, act, options),
  );
}

/** A round picture with initials, as everywhere where a person stands. */
export function avatar(user, className = "") {
  return h(
    "span",
    {
      class: `avatar ${user.is_bot ? "bot" : ""} ${className}`,
      style: { "background-color": user.color || "#616061" },
      "aria-hidden": "true",
    },
    user.initials || user.name.slice(0, 2),
  );
}

function content(message, act) {
  const ctx = act.messageContext(message);
  if (message.blocks?.length) return h("div", { class: "blocks" }, drawBlocks(message.blocks, ctx));
  return h("div", { class: "mrk words" }, mrkdwn(message.text, ctx.names));
}

function drawAttachment(attachment, message, act) {
  const ctx = act.messageContext(message);
  return h(
    "div",
    { class: "attachment" },
    attachment.title && h("b", {}, attachment.title),
    attachment.blocks
      ? drawBlocks(attachment.blocks, ctx)
      : h("div", { class: "mrk" }, mrkdwn(attachment.text ?? attachment.fallback, ctx.names)),
  );
}

const countOf = (count) => (count === 1 ? "1 reply" : `${count} replies`);

function repliesButton(message, act) {
  return h(
    "button",
    {
      type: "button",
      class: "replies",
      "data-thread": message.ts,
      onclick: () => act.openThread(message.ts),
    },
    countOf(message.reply_count),
    h("span", { class: "replies-hint" }, " View thread"),
  );
}

function tools(message, act, options) {
  const shortcuts = act.shortcuts();
  if (options.inThread && !shortcuts.length) return null;
  return h(
    "div",
    { class: "tools" },
    !options.inThread &&
      h(
        "button",
        {
          type: "button",
          class: "tool",
          "aria-label": "Reply in thread",
          title: "Reply in thread",
          onclick: () => act.openThread(message.ts),
        },
        h("span", { class: "icon reply" }),
      ),
    shortcuts.length > 0 &&
      h(
        "details",
        { class: "overflow" },
        h("summary", { class: "tool", "aria-label": "More actions", title: "More actions" }, "⋯"),
        h(
          "div",
          { class: "menu" },
          shortcuts.map((shortcut) =>
            h(
              "button",
              {
                type: "button",
                class: "menu-item",
                "data-shortcut": shortcut.callback_id,
                onclick: (event) => {
                  event.currentTarget.closest("details").open = false;
                  act.shortcut(message, shortcut.callback_id);
                },
              },
              shortcut.name,
            ),
          ),
        ),
      ),
  );
}
