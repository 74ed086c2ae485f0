// The strip on top: the story's steps, what to do now, who you are, and afterwards Now break it.

import { h } from "./dom.js";
import { avatar } from "./messages.js";
import { mrkdwn } from "./mrkdwn.js";

const NO_NAMES = { user: () => null, channel: () => null, group: () => null };

/** Draw the strip. `ui.strip` is "story", "break" or null: what the person chose, or null to follow the story. */
export function drawStory(state, ui, act) {
  const { story } = state;
  const told = story.steps.length > 0 && story.steps.every((step) => step.done);
  const shown = ui.strip ?? (told ? "break" : "story");
  return [
    h(
      "div",
      { class: "plot" },
      h(
        "div",
        { class: "plot-head" },
        h(
          "div",
          { class: "switch", role: "group", "aria-label": "What the strip shows" },
          tab("story", "Story", shown, act),
          tab("break", "Now break it", shown, act),
        ),
        h(
          "b",
          { class: "plot-title" },
          shown === "story" ? story.title : "The bot must keep its promises anyway",
        ),
        h(
          "button",
          {
            type: "button",
            class: "quiet-btn",
            "data-break": "reset",
            title: "The world as it was, an empty channel, the first step",
            "aria-busy": ui.breaking.has("reset") ? "true" : null,
            onclick: () => act.breakIt("reset"),
          },
          ui.breaking.has("reset") ? h("span", { class: "spinner dark" }) : "Start again",
        ),
        h(
          "button",
          {
            type: "button",
            class: "quiet-btn fold",
            "aria-expanded": String(ui.stripOpen),
            "aria-controls": "story",
            onclick: act.foldStrip,
          },
          ui.stripOpen ? "Less" : "More",
        ),
      ),
      shown === "story" ? steps(story, told) : breaks(story, ui, act),
    ),
    youAre(ui, act),
  ];
}

function tab(name, label, shown, act) {
  return h(
    "button",
    {
      type: "button",
      "aria-pressed": String(shown === name),
      "data-strip": name,
      onclick: () => act.showStrip(name),
    },
    label,
  );
}

function steps(story, told) {
  const current = story.steps.findIndex((step) => step.current);
  return [
    h(
      "ol",
      { key: "steps", class: "steps" },
      story.steps.map((step, index) =>
        h(
          "li",
          {
            key: step.id,
            class: `step ${step.done ? "done" : ""} ${step.current ? "now" : ""}`,
            "aria-current": step.current ? "step" : null,
            "data-step": step.id,
            "data-done": String(Boolean(step.done)),
          },
          h("span", { class: "tick", "aria-hidden": "true" }, step.done ? "✓" : index + 1),
          h(
            "span",
            { class: "step-words" },
            mrkdwn(step.text, NO_NAMES),
            step.done && h("span", { class: "for-ears" }, " (done)"),
          ),
        ),
      ),
    ),
    told && h("p", { key: "told", class: "told" }, "The story is told."),
    current >= 0 &&
      h(
        "p",
        { key: "now", class: "for-ears", "aria-live": "polite" },
        `Step ${current + 1} of ${story.steps.length}: ${story.steps[current].text}`,
      ),
  ];
}

function breaks(story, ui, act) {
  return h(
    "div",
    { key: "breaks", class: "breaks" },
    story.breaks
      .filter((it) => it.what !== "reset")
      .map((it) => {
        const busy = it.busy || ui.breaking.has(it.what);
        return h(
          "button",
          {
            key: it.what,
            type: "button",
            class: `break ${it.done ? "done" : ""}`,
            "data-break": it.what,
            "aria-busy": busy ? "true" : null,
            onclick: () => busy || act.breakIt(it.what),
          },
          h(
            "span",
            { class: "break-label" },
            busy ? h("span", { class: "spinner dark" }) : it.done && h("span", { class: "tick small" }, "✓"),
            it.label,
          ),
          h("small", {}, it.hint),
        );
      }),
  );
}

function youAre(ui, act) {
  const people = act.people();
  return h(
    "div",
    { class: "you-are", role: "group", "aria-label": "You are" },
    h("b", { class: "you-are-label" }, "You are"),
    h(
      "div",
      { class: "people" },
      people.map((user) =>
        h(
          "button",
          {
            key: user.id,
            type: "button",
            class: "person",
            "aria-pressed": String(user.id === ui.me),
            "data-user": user.id,
            onclick: () => act.become(user.id),
          },
          avatar(user),
          h("span", { class: "person-name" }, user.name),
          h("small", { class: "person-note" }, user.note ?? ""),
        ),
      ),
    ),
    h(
      "p",
      { class: "who-may" },
      people
        .filter((user) => user.note)
        .map((user) => `${user.name} ${user.note}.`)
        .join(" "),
    ),
  );
}
