// Modals, the confirm dialog, and where the focus goes when they open and close.
//
// Every view of the stack stays in the document, so that going back finds what was typed; only the top one is shown.

import { drawBlocks } from "./blocks.js";
import { h } from "./dom.js";
import { readState } from "./elements.js";
import { plainWithEmoji, textObject } from "./mrkdwn.js";

const ENTER_IGNORED_MS = 500; // the Enter that sent a command must not also submit the modal that it opened
const FOCUSABLE = "button, [href], input, select, textarea, summary, [tabindex]:not([tabindex='-1'])";

/** Draw the viewer's modal stack and, above it, the confirm dialog if one is open. */
export function drawOverlay(views, confirm, act) {
  return [
    ...views.map((view, index) => modal(view, index, index === views.length - 1 && !confirm, act)),
    confirm && confirmDialog(confirm, act),
  ];
}

function modal(view, index, isTop, act) {
  const errors = act.errorsOf(view);
  const submitting = act.isSubmitting(view.id);
  const ctx = act.viewContext(view, errors);
  return h(
    "div",
    { key: view.id, class: "layer", hidden: !isTop },
    h(
      "div",
      {
        class: "dialog modal",
        role: "dialog",
        "aria-modal": "true",
        "aria-labelledby": `${view.id}|title`,
        "data-callback": view.callback_id ?? "",
        "data-view": view.id,
        tabindex: "-1",
        onkeydown: (event) => onKey(event, view, act),
        each: (el) => noteRedraw(el, view),
      },
      h(
        "header",
        { class: "modal-head" },
        index > 0 &&
          h(
            "button",
            { type: "button", class: "plain-btn", "aria-label": "Back", onclick: () => act.close(view) },
            "‹",
          ),
        h("h2", { id: `${view.id}|title` }, textObject(view.title, ctx.names)),
        h(
          "button",
          {
            type: "button",
            class: "plain-btn close-x",
            "aria-label": "Close",
            onclick: () => act.close(view),
          },
          "×",
        ),
      ),
      h("div", { class: "modal-body" }, drawBlocks(view.blocks, ctx)),
      h(
        "footer",
        { class: "modal-foot" },
        h(
          "button",
          {
            type: "button",
            class: "btn",
            "data-modal": "close",
            "data-press": `${view.id}|close`,
            "data-card": view.id,
            onclick: () => act.close(view),
          },
          textObject(view.close ?? "Close", ctx.names),
        ),
        view.submit &&
          h(
            "button",
            {
              type: "button",
              class: "btn primary",
              "data-modal": "submit",
              "data-press": `${view.id}|submit`,
              "data-card": view.id,
              "aria-busy": submitting ? "true" : null,
              onclick: (event) => submitting || act.submit(view, stateOf(event.currentTarget)),
            },
            submitting && h("span", { class: "spinner", "aria-hidden": "true" }),
            h("span", {}, textObject(view.submit, ctx.names)),
          ),
      ),
    ),
  );
}

const stateOf = (inside) => readState(inside.closest(".dialog"));

function noteRedraw(el, view) {
  const shape = view.hash ?? JSON.stringify(view.blocks);
  if (el.shape !== shape) el.redrawn = performance.now();
  el.shape = shape;
}

function onKey(event, view, act) {
  if (event.key === "Escape") {
    event.preventDefault();
    const menu = event.currentTarget.querySelector("details[open]");
    if (menu) menu.open = false;
    else act.close(view);
  }
  if (event.key === "Tab") keepInside(event);
  if (
    event.key === "Enter" &&
    !event.repeat &&
    !event.isComposing &&
    !event.defaultPrevented &&
    wantsSubmit(event)
  ) {
    event.preventDefault();
    const settled = performance.now() - event.currentTarget.redrawn > ENTER_IGNORED_MS;
    if (view.submit && settled && !act.isSubmitting(view.id)) act.submit(view, stateOf(event.currentTarget));
  }
}

function wantsSubmit(event) {
  if (event.ctrlKey || event.metaKey) return true;
  return (
    event.target === event.currentTarget ||
    (event.target.localName === "input" && event.target.type !== "checkbox")
  );
}

function keepInside(event) {
  const stops = [...event.currentTarget.querySelectorAll(FOCUSABLE)].filter(
    (el) => !el.disabled && el.offsetParent !== null,
  );
  const [first, last] = [stops[0], stops.at(-1)];
  const from = document.activeElement;
  if (event.shiftKey ? from === first || from === event.currentTarget : from === last) {
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  }
}

/** Slack's confirm object. `confirm` is {object, names, answer(yes)}. */
function confirmDialog({ object, names, answer }) {
  return h(
    "div",
    { key: "confirm", class: "layer" },
    h(
      "div",
      {
        class: "dialog confirm",
        role: "alertdialog",
        "aria-modal": "true",
        "aria-labelledby": "confirm|title",
        "aria-describedby": "confirm|text",
        tabindex: "-1",
        onkeydown: (event) => {
          if (event.key === "Tab") keepInside(event);
          if (event.key !== "Escape") return;
          event.preventDefault();
          answer(false);
        },
      },
      h("h2", { id: "confirm|title" }, textObject(object.title, names)),
      h("div", { id: "confirm|text", class: "mrk" }, textObject(object.text, names)),
      h(
        "footer",
        { class: "modal-foot" },
        h(
          "button",
          {
            type: "button",
            class: "btn",
            "data-confirm": "deny",
            "data-press": "confirm|deny",
            "data-card": "confirm",
            onclick: () => answer(false),
          },
          plainWithEmoji(object.deny?.text ?? "Cancel"),
        ),
        h(
          "button",
          {
            type: "button",
            class: `btn ${object.style === "danger" ? "danger" : "primary"}`,
            "data-confirm": "yes",
            "data-press": "confirm|yes",
            "data-card": "confirm",
            "data-focus": "",
            onclick: () => answer(true),
          },
          plainWithEmoji(object.confirm?.text ?? "Yes"),
        ),
      ),
    ),
  );
}

/** Moves the focus into a dialog when it comes on top and back to where it was when the last one is gone. */
export class DialogFocus {
  constructor(root, whenNowhere) {
    this.root = root;
    this.whenNowhere = whenNowhere;
    this.shown = null;
    this.cameFrom = null;
  }

  settle() {
    const top = [...this.root.querySelectorAll(".layer:not([hidden]) .dialog")].at(-1) ?? null;
    if (top === this.shown) return;
    if (top) this.enter(top);
    else this.leave();
    this.shown = top;
  }

  enter(top) {
    if (!this.shown) this.cameFrom = document.activeElement;
    if (top.contains(document.activeElement)) return;
    const first = top.querySelector(
      "[data-focus], .modal-body input, .modal-body select, .modal-body textarea",
    );
    (first ?? top).focus({ preventScroll: true });
  }

  leave() {
    if (this.cameFrom?.isConnected && this.cameFrom !== document.body)
      this.cameFrom.focus({ preventScroll: true });
    else this.whenNowhere();
  }
}
