/** CommonMark's pairing of runs of `*`, `_` and `~~`: which of them open and close emphasis, in linear time. */

/** @typedef {import("./inline.js").Run} Run */

/**
 * Pair the runs above a place in the list; their tokens are added to the runs.
 *
 * @param {Run[]} runs
 * @param {number} last index of the last run that is still in the list
 * @param {number} bottom index of the run below the first one, or -1
 * @returns {number} the last run of the list from now on
 */
export function pairRuns(runs, last, bottom) {
  /** Below which a kind of closer found nothing before. @type {Record<string, number>} */
  const floors = {};
  let closer = bottom < 0 ? firstRun(runs, last) : runs[bottom].next;
  while (closer >= 0) {
    const run = runs[closer];
    if (!run.closes || run.left === 0) {
      closer = run.next;
      continue;
    }
    const kind = run.char + (run.opens ? 3 : 0) + (run.size % 3);
    const floor = Math.max(floors[kind] ?? -1, bottom);
    let opener = run.prev;
    while (opener > floor && !matches(runs[opener], run)) opener = runs[opener].prev;
    if (opener <= floor) {
      floors[kind] = run.prev;
      if (!run.opens) unlink(runs, closer);
      closer = run.next;
      continue;
    }
    wrap(runs[opener], run);
    // What stands between them found no partner and stays text.
    runs[opener].next = closer;
    run.prev = opener;
    if (runs[opener].left === 0) unlink(runs, opener);
    if (run.left === 0) {
      unlink(runs, closer);
      closer = run.next;
    }
  }
  if (bottom >= 0) runs[bottom].next = -1;
  return bottom;
}

/**
 * @param {Run} opener
 * @param {Run} closer
 */
function wrap(opener, closer) {
  const size = opener.char === "~" || (opener.left >= 2 && closer.left >= 2) ? 2 : 1;
  const tag = opener.char === "~" ? "del" : size === 2 ? "strong" : "em";
  const mark = opener.char.repeat(size);
  opener.left -= size;
  closer.left -= size;
  opener.after.push({ type: "open", tag, mark });
  closer.before.push({ type: "close", tag, mark });
}

/**
 * @param {Run[]} runs
 * @param {number} index
 */
function unlink(runs, index) {
  const { prev, next } = runs[index];
  if (prev >= 0) runs[prev].next = next;
  if (next >= 0) runs[next].prev = prev;
}

/**
 * @param {Run} opener
 * @param {Run} closer
 */
function matches(opener, closer) {
  if (opener.char !== closer.char || !opener.opens || opener.left === 0) return false;
  if (!(opener.closes || closer.opens) || opener.char === "~") return true;
  return (opener.size + closer.size) % 3 !== 0 || (opener.size % 3 === 0 && closer.size % 3 === 0);
}

/**
 * @param {Run[]} runs
 * @param {number} last
 */
function firstRun(runs, last) {
  let at = last;
  while (at >= 0 && runs[at].prev >= 0) at = runs[at].prev;
  return at;
}
