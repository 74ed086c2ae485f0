// Keeps clicks from landing on something that the finger did not aim at.
//
// A button takes no clicks for a moment when (1) a redraw put it where another button just was, or (2) a button of
// the same card was just pressed. It lets clicks fall through while it is shielded, so nothing is sent and nothing
// needs to be undone.

export const REDRAW_MS = 350;
export const PRESS_MS = 300;

const BUTTONS = "[data-press]";

/** Watches every button with data-press inside `root`; data-card says which ones belong together. */
export class Guard {
  constructor(root) {
    this.root = root;
    this.until = new WeakMap();
    this.places = [];
    root.addEventListener("click", (event) => this.pressed(event), true);
    root.addEventListener("keydown", (event) => this.held(event), true);
  }

  /** Call right before drawing. */
  before() {
    this.places = this.measured();
  }

  /** Call right after drawing and scrolling. */
  after() {
    for (const now of this.measured()) {
      if (this.places.some((then) => then.press !== now.press && overlap(then.box, now.box)))
        this.shield(now.button, REDRAW_MS);
    }
    this.places = [];
  }

  measured() {
    return [...this.root.querySelectorAll(BUTTONS)]
      .map((button) => ({ button, press: button.dataset.press, box: button.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0 && box.bottom > 0 && box.top < innerHeight); // only what a finger can reach
  }

  shield(button, milliseconds) {
    const until = performance.now() + milliseconds;
    this.until.set(button, until);
    button.style.pointerEvents = "none";
    setTimeout(() => {
      if (this.until.get(button) === until) button.style.pointerEvents = "";
    }, milliseconds);
  }

  pressed(event) {
    const button = event.target.closest(BUTTONS);
    if (!button) return;
    if (performance.now() < (this.until.get(button) ?? 0)) {
      event.stopPropagation(); // only a key can get here: a pointer falls through a shielded button
      event.preventDefault();
      return;
    }
    for (const other of this.root.querySelectorAll(BUTTONS)) {
      if (other.dataset.card === button.dataset.card) this.shield(other, PRESS_MS);
    }
  }

  /** A key that is held down presses once. */
  held(event) {
    if (event.repeat && (event.key === "Enter" || event.key === " ") && event.target.closest("button"))
      event.preventDefault();
  }
}

const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
