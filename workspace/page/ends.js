// Lists whose newest line is last: who reads the end keeps reading the end, anybody else is left where he reads.

const NEAR_PX = 48; // this close to the end counts as "at the end"

/**
 * Keep `list` at its end, through new lines and changes of its size, until its reader scrolls away from it.
 * `whenMoved(isAtEnd)` hears of every scrolling. Answers {settle(), toEnd(), leave(), isAtEnd()}.
 */
export function keepAtEnd(list, whenMoved = () => {}) {
  let atEnd = true;
  const toEnd = () => {
    atEnd = true;
    list.scrollTop = list.scrollHeight;
    whenMoved(true);
  };
  const settle = () => atEnd && toEnd();
  list.addEventListener(
    "scroll",
    () => {
      if (list.clientHeight === 0) return; // hidden: nobody scrolled
      atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_PX;
      whenMoved(atEnd);
    },
    { passive: true },
  );
  new ResizeObserver(settle).observe(list);
  return { settle, toEnd, leave: () => (atEnd = false), isAtEnd: () => atEnd };
}
