/** What a widget knows of its run, and how one operation of the kernel changes it. */

/** @typedef {Record<string, any>} Fields */
/** @typedef {{head: Fields, rows: Record<string, Fields>, order: Record<string, string[]>}} State */

/**
 * A state in which nothing has happened.
 *
 * @returns {State}
 */
export function emptyState() {
  // Objects without a prototype: ids are texts that others choose.
  return { head: bare(), rows: bare(), order: bare() };
}

/**
 * Apply operations in place and say what changed: "head", "order:<parent>" and ids of rows.
 *
 * Operations that are not understood are passed over: a page may be older than its kernel.
 *
 * @param {State} state
 * @param {any[]} ops
 * @returns {Set<string>}
 */
export function applyOps(state, ops) {
  /** @type {Set<string>} */
  const changed = new Set();
  for (const op of Array.isArray(ops) ? ops : []) {
    if (Array.isArray(op)) applyOne(state, op, changed);
  }
  return changed;
}

/**
 * @param {State} state
 * @param {any[]} op
 * @param {Set<string>} changed
 */
function applyOne(state, op, changed) {
  const [name, first, second, third] = op;
  if (name === "h") {
    merge(state.head, first);
    changed.add("head");
  } else if (name === "r" && isId(first)) {
    merge(rowOf(state, first), second);
    changed.add(first);
  } else if (name === "t" && isId(first) && isKey(second) && typeof third === "string") {
    const row = rowOf(state, first);
    row[second] = (typeof row[second] === "string" ? row[second] : "") + third;
    changed.add(first);
  } else if (name === "o" && typeof first === "string" && Array.isArray(second)) {
    state.order[first] = second.filter(isId);
    changed.add(`order:${first}`);
  } else if (name === "x" && isId(first)) {
    delete state.rows[first];
    delete state.order[first];
    changed.add(first);
  } else if (name === "reset") {
    replace(state, first, changed);
  }
}

/**
 * @param {State} state
 * @param {any} next
 * @param {Set<string>} changed
 */
function replace(state, next, changed) {
  const old = { rows: state.rows, order: state.order };
  const fresh = emptyState();
  if (isFields(next)) {
    merge(fresh.head, next.head);
    for (const [id, row] of Object.entries(next.rows ?? {})) merge(rowOf(fresh, id), row);
    for (const [id, ids] of Object.entries(next.order ?? {})) if (Array.isArray(ids)) fresh.order[id] = ids.filter(isId);
  }
  Object.assign(state, fresh);
  changed.add("head");
  for (const id of [...Object.keys(old.rows), ...Object.keys(fresh.rows)]) changed.add(id);
  for (const id of [...Object.keys(old.order), ...Object.keys(fresh.order)]) changed.add(`order:${id}`);
}

/**
 * @param {State} state
 * @param {string} id
 */
function rowOf(state, id) {
  return (state.rows[id] ??= Object.assign(bare(), { id }));
}

/**
 * @param {Fields} target
 * @param {any} fields
 */
function merge(target, fields) {
  if (!isFields(fields)) return;
  for (const [key, value] of Object.entries(fields)) if (isKey(key)) target[key] = value;
}

/** @param {any} value */
function isFields(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {any} key */
function isKey(key) {
  return typeof key === "string";
}

/** @param {any} id */
function isId(id) {
  return typeof id === "string" && id !== "";
}

/** @returns {any} */
function bare() {
  return Object.create(null);
}
