// The small mathematics of a run (sqlstab/maths/solve.py) for engines whose functions may be
// JavaScript. `solve` at the end is what they call.
//
// A matrix is an array of its rows. Vectors that make up a basis, or the columns of a
// decomposition, stand in an array of their own: then a product is a dot product for each pair.

const EPS = Number.EPSILON;
// Sums of squares below this have lost digits: the smallest normal number is 2e-308.
const SMALLEST = 1e-290;

const sum = (values) => values.reduce((total, value) => total + value, 0);
const largest = (values) => values.reduce((most, value) => Math.max(most, value), -Infinity);
const range = (n) => Array.from({ length: n }, (_, i) => i);
const table = (rows, columns, entry) => range(rows).map((i) => range(columns).map((j) => entry(i, j)));
const identity = (rows, columns) => table(rows, columns, (i, j) => (i === j ? 1 : 0));
const transpose = (a) => range(a[0].length).map((j) => a.map((row) => row[j]));
const scaled = (a, factor) => a.map((row) => row.map((value) => value * factor));

function dot(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

const norm = (a) => Math.sqrt(dot(a, a));
// A B'.
const timesTransposed = (a, b) => a.map((x) => b.map((y) => dot(x, y)));
const times = (a, b) => timesTransposed(a, transpose(b));

// The sum of vectors, each times its weight.
function combined(vectors, weights) {
  const total = new Array(vectors[0].length).fill(0);
  vectors.forEach((vector, k) => {
    for (let i = 0; i < total.length; i++) total[i] += weights[k] * vector[i];
  });
  return total;
}

function largestEntry(a) {
  return largest(a.map((row) => largest(row.map(Math.abs))));
}

// Turns vectors p and q by an angle with tangent t.
function turn(vectors, p, q, t) {
  const [a, b] = [vectors[p], vectors[q]];
  const c = 1 / Math.sqrt(1 + t * t);
  for (let i = 0; i < a.length; i++) {
    const x = a[i];
    a[i] = c * (x - t * b[i]);
    b[i] = c * (b[i] + t * x);
  }
}

// A = U S V' by the one-sided Jacobi method: pairs of columns are turned until they are orthogonal;
// then they are the columns of U S. Values descend. `left` and `right` hold columns of U and V; where
// a value is zero, that of the longer one is zero.
function svd(a) {
  if (a.length < a[0].length) {
    const { left, values, right } = svd(transpose(a));
    return { left: right, values, right: left };
  }
  const size = largestEntry(a);
  if (!Number.isFinite(size)) throw new Error("The SQL solver refuses: a sum is not finite.");
  const columns = transpose(scaled(a, size > 0 ? 1 / size : 1));
  const right = identity(columns.length, columns.length);
  const tolerance = EPS * Math.sqrt(a.length);
  for (let sweep = 0, turned = true; turned; sweep++) {
    if (sweep === 60) throw new Error("The SQL solver refuses: the Jacobi method does not converge.");
    turned = false;
    const squares = columns.map((column) => dot(column, column));
    for (let p = 0; p < columns.length - 1; p++) {
      for (let q = p + 1; q < columns.length; q++) {
        // The longer one first: it converges faster, and sorts.
        if (squares[p] < squares[q]) {
          for (const one of [columns, right, squares]) [one[p], one[q]] = [one[q], one[p]];
        }
        const product = dot(columns[p], columns[q]);
        if (Math.abs(product) <= tolerance * Math.sqrt(squares[p]) * Math.sqrt(squares[q])) continue;
        turned = true;
        const zeta = (squares[q] - squares[p]) / (2 * product);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        turn(columns, p, q, t);
        turn(right, p, q, t);
        squares[p] = dot(columns[p], columns[p]);
        squares[q] = dot(columns[q], columns[q]);
      }
    }
  }
  const lengths = columns.map(norm);
  const order = range(columns.length).sort((p, q) => lengths[q] - lengths[p]);
  return {
    left: order.map((k) => columns[k].map((value) => (lengths[k] > 0 ? value / lengths[k] : 0))),
    values: order.map((k) => lengths[k] * size),
    right: order.map((k) => right[k]),
  };
}

// An orthonormal basis of what is orthogonal to orthonormal vectors.
function complement(vectors, size) {
  const basis = vectors.slice();
  while (basis.length < size) {
    // The unit vector of which most is left.
    const left = range(size).map((i) => 1 - sum(basis.map((vector) => vector[i] * vector[i])));
    let next = identity(size, size)[left.indexOf(largest(left))];
    for (let twice = 0; twice < 2; twice++) {
      for (const vector of basis) {
        const part = dot(next, vector);
        next = next.map((value, i) => value - part * vector[i]);
      }
    }
    const length = norm(next);
    basis.push(next.map((value) => value / length));
  }
  return basis.slice(vectors.length);
}

// ---- 1. Cholesky: G = R'R, and P with R P = I ------------------------------------------------------

// R (`triangle`, its rows) and P (`whitener`, its columns) of a Gram matrix without zero columns.
function squareRoot(gram) {
  const size = gram.length;
  const scale = gram.map((row, i) => Math.sqrt(row[i]));
  const unit = gram.map((row, i) => row.map((value, j) => value / scale[j] / scale[i]));
  // Of a symmetric matrix, singular values are eigenvalues but for the sign.
  const { left, values: sizes, right: vectors } = svd(unit);
  const values = sizes.map((value, k) => (dot(left[k], vectors[k]) < 0 ? -value : value));
  const smallest = -largest(values.map((value) => -value));
  const floor = values[0] * EPS * size;
  const condition = Math.sqrt(values[0] / Math.max(smallest, floor));
  if (smallest > 4 * floor) {
    const lower = cholesky(unit);
    const whitener = inverse(lower).map((row, i) => row.map((value, j) => value / scale[j]));
    const triangle = transpose(lower).map((row) => row.map((value, j) => value * scale[j]));
    return { triangle, whitener, resolved: true, condition };
  }
  // With a floor, scores stay exact, whatever the directions below it are.
  const roots = values.map((value) => Math.sqrt(Math.max(value, floor)));
  return {
    triangle: vectors.map((vector, k) => vector.map((value, j) => roots[k] * value * scale[j])),
    whitener: vectors.map((vector, k) => vector.map((value, j) => value / roots[k] / scale[j])),
    resolved: false,
    condition,
  };
}

// L of a positive definite matrix L L'.
function cholesky(a) {
  const lower = table(a.length, a.length, () => 0);
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = a[i][j];
      for (let k = 0; k < j; k++) rest -= lower[i][k] * lower[j][k];
      lower[i][j] = i === j ? Math.sqrt(rest) : rest / lower[j][j];
    }
  }
  return lower;
}

// The rows of L^(-1), which are the columns of the inverse of L'.
function inverse(lower) {
  const rows = identity(lower.length, lower.length);
  for (let i = 0; i < lower.length; i++) {
    for (let k = 0; k < i; k++) {
      for (let j = 0; j <= k; j++) rows[i][j] -= lower[i][k] * rows[k][j];
    }
    for (let j = 0; j <= i; j++) rows[i][j] /= lower[i][i];
  }
  return rows;
}

function factor(gram, rows) {
  const live = range(gram.length).filter((i) => gram[i][i] > 0);
  if (live.length === 0 || largest(gram.map(largest)) < SMALLEST) {
    throw new Error(
      "The SQL solver refuses: all vectors are zero, or so small that their squares are; sqlstab run would, too. " +
        "Multiply small vectors by a constant."
    );
  }
  const root = squareRoot(live.map((i) => live.map((j) => gram[i][j])));
  const widened = (vector) => {
    const wide = new Array(gram.length).fill(0);
    live.forEach((i, k) => (wide[i] = vector[k]));
    return wide;
  };
  const triangle = root.triangle.map(widened);
  const norms = transpose(triangle).map(norm);
  const scale = norms.map((value) => (value > 0 ? value : 1));
  // Singular values of the table with its columns scaled to length one.
  const spectrum = svd(triangle.map((row) => row.map((value, j) => value / scale[j]))).values;
  const least = 4 * EPS * gram.length * spectrum[0];
  const rank = spectrum.filter((value) => value > least).length;
  return {
    triangle,
    whitener: root.whitener.map(widened),
    resolved: root.resolved,
    live: live.length,
    norms,
    scale,
    spectrum,
    rank,
    condition: spectrum[0] / spectrum[rank - 1],
    // Estimate of |Q'Q - I|: the rounding errors of the Gram matrix, as a random walk.
    summationError: EPS * (16 + Math.sqrt(rows)) * root.condition * root.condition,
  };
}

// ---- 2. and 3. Balance: R_T R_W' = U S V'; M_T = P_T U S^(1/2), M_W = P_W V S^(1/2) ---------------

// M_T and M_W (columns), and S.
function balance(users, items) {
  const product = timesTransposed(items.triangle, users.triangle);
  const { left, values, right } = svd(product);
  // Below the rounding error of the product a singular value is no longer one.
  const longest = largest(items.norms.map((value, i) => value * users.norms[i]));
  const noise = EPS * items.spectrum[0] * users.spectrum[0] * longest;
  const size = Math.max(product.length, product[0].length);
  const least = 4 * Math.max(EPS * size * values[0], noise);
  const kept = values.filter((value) => value > least);
  if (kept.length === 0) {
    throw new Error(
      "The SQL solver refuses: all scores are zero, users and items have no direction in common; sqlstab run would, too."
    );
  }
  checkUnderflow("users", users, items, values[0]);
  checkUnderflow("items", items, users, values[0]);
  const map = (side, vectors) => (value, k) =>
    combined(side.whitener, vectors[k]).map((entry) => entry * Math.sqrt(value));
  const itemsMap = kept.map(map(items, left));
  const usersMap = kept.map(map(users, right));
  // The largest component of each column of M_T is positive.
  itemsMap.forEach((column, k) => {
    const sizes = column.map(Math.abs);
    if (column[sizes.indexOf(largest(sizes))] < 0) {
      itemsMap[k] = column.map((value) => -value);
      usersMap[k] = usersMap[k].map((value) => -value);
    }
  });
  return { users: usersMap, items: itemsMap, values: kept };
}

// A column whose squares vanish counts as zero; the other side must not make it count again.
function checkUnderflow(name, small, large, size) {
  const least = Math.sqrt(SMALLEST);
  const hidden = small.norms.map((value, i) => (value < least ? least * large.norms[i] : 0));
  if (largest(hidden) > EPS * size) {
    throw new Error(
      `The SQL solver refuses: component ${hidden.indexOf(largest(hidden)) + 1} of the ${name} is zero or so small ` +
        "that its squares are, while that of the other table is so large that scores may depend on it; " +
        "sqlstab run would, too. Multiply the one by a constant, and divide the other by it."
    );
  }
}

// ---- 4. Align: C = A D B', Omega = A B' -----------------------------------------------------------

// Omega (rows), and how many directions C says nothing about. Those go to what is left of the space as
// close to their own position as possible: the same problem over, for the identity instead of C.
function align(cross) {
  const rank = cross.length;
  const dimension = Math.max(rank, cross[0].length);
  const omega = table(rank, dimension, () => 0);
  let rows = identity(rank, rank);
  let columns = identity(dimension, dimension);
  let ambiguous = 0;
  for (let guides = 0; rows.length > 0 && columns.length > 0; guides++) {
    // What decides a direction: the data; else its own position; else any fixed generic matrix.
    const guide = table(rank, dimension, (i, j) => {
      if (guides === 0) return j < cross[0].length ? cross[i][j] : 0;
      if (guides === 1) return i === j ? 1 : 0;
      return Math.cos(1 + i * (j + Math.SQRT2) + j * j);
    });
    const { left, values, right } = svd(timesTransposed(rows, timesTransposed(columns, guide)));
    // An eps of noise in C turns a direction by eps over its relative singular value.
    const least = Math.sqrt(EPS) * values[0];
    const sure = values.filter((value) => value > least).length;
    range(sure).forEach((k) => {
      const [from, to] = [combined(rows, left[k]), combined(columns, right[k])];
      for (let i = 0; i < rank; i++) {
        for (let j = 0; j < dimension; j++) omega[i][j] += from[i] * to[j];
      }
    });
    rows = complement(left.slice(0, sure), rows.length).map((vector) => combined(rows, vector));
    columns = complement(right.slice(0, sure), columns.length).map((vector) => combined(columns, vector));
    if (guides === 0) ambiguous = Math.min(rows.length, columns.length);
  }
  return { omega, ambiguous };
}

// ---- What the proof of a result is ----------------------------------------------------------------

// The largest entry of M'GM - S, entry (k, l) relative to sqrt(s_k s_l).
function gramError(map, gram, values) {
  const errors = timesTransposed(map, timesTransposed(map, gram)).map((row, k) =>
    row.map((value, l) => (value - (k === l ? values[k] : 0)) / Math.sqrt(values[k]) / Math.sqrt(values[l]))
  );
  return largestEntry(errors);
}

// The largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
function scoreError(users, items, balanced) {
  const product = timesTransposed(items.triangle, users.triangle);
  const restored = timesTransposed(
    timesTransposed(items.triangle, balanced.items),
    timesTransposed(users.triangle, balanced.users)
  );
  const errors = product.map((row, i) => row.map((value, j) => restored[i][j] - value));
  return largestEntry(errors) / balanced.values[0];
}

// What the rounding errors of the sums may do to the axes, on the safe side.
function accuracy(side, map, values) {
  if (!side.resolved) return 1;
  const lengths = map.map((column, k) => norm(column.map((value, i) => value * side.scale[i])) / Math.sqrt(values[k]));
  return side.summationError + 16 * EPS * side.spectrum[0] * largest(lengths);
}

// How well two runs fit: X are the balanced vectors of the shared ids, Y the reference's; C = X'Y.
function fit(cross, omega, ofRun, ofReference) {
  const trace = (a) => sum(a.map((row, i) => row[i]));
  const squares = (a) => sum(a.map((row) => dot(row, row)));
  const nuclear = sum(cross.map((row, k) => dot(row, omega[k])));
  const residual = trace(ofRun) + trace(ofReference) - 2 * nuclear;
  const products = squares(ofRun) + squares(ofReference) - 2 * squares(cross);
  const dimension = Math.max(cross.length, cross[0].length);
  return {
    relative_residual: Math.sqrt(Math.max(residual, 0) / trace(ofReference)),
    cka: squares(cross) / (Math.sqrt(squares(ofRun)) * Math.sqrt(squares(ofReference))),
    bound: Math.sqrt(Math.sqrt(2 * dimension * Math.max(products, 0)) / trace(ofReference)),
  };
}

// ---- All of it ------------------------------------------------------------------------------------

// The sums of one kind and side as a matrix, and n_rows; symmetric ones come as a triangle.
function matrix(sums, kind, side, rows, columns) {
  const found = table(rows, columns, () => 0);
  let count = 0;
  for (const entry of sums) {
    if (entry.kind !== kind || entry.side !== side) continue;
    if (entry.i > rows || entry.j > columns) {
      throw new Error(
        `The SQL solver refuses: ${side}: the sums are of ${Math.max(entry.i, entry.j)} components, ` +
          `not of ${entry.i > rows ? rows : columns}; sqlstab run would, too.`
      );
    }
    found[entry.i - 1][entry.j - 1] = entry.value;
    if (kind !== "cross") found[entry.j - 1][entry.i - 1] = entry.value;
    count = Math.max(count, entry.n_rows);
  }
  return { entries: found, rows: count };
}

function check(name, side, found) {
  if (!side.resolved || !(found <= 1e-2)) {
    throw new Error(
      `The SQL solver refuses: ${name}: the columns depend on each other, or nearly so (condition at least ` +
        `${side.condition.toExponential(1)}), too much for sums of products. Use sqlstab run, which takes a second pass.`
    );
  }
}

// The maps, from sums. Gives rows of matrices, {name, i, x}: `users` and `items` are the maps, `omega` is
// the alignment; `singular_values` have one entry in each row, and so has any other name, a figure.
//
// sums: {kind, side, i, j, value, n_rows}; `kind` is `gram`, and of an aligned run `cross`, of the ids that it
//     shares with the reference; and `shared_run` and `shared_reference`, Gram matrices of these ids.
// settings: JSON; `dimension`, `reference_dimension`, and `anchors`: how much each side counts.
function solve(sums, settings) {
  const { dimension: e, reference_dimension: d, anchors } = JSON.parse(settings);
  const sides = ["users", "items"];
  const grams = {};
  const factors = {};
  const figures = {};
  for (const side of sides) {
    const { entries, rows } = matrix(sums, "gram", side, e, e);
    grams[side] = entries;
    figures[`${side}_rows`] = rows;
    factors[side] = factor(entries, rows);
  }
  const balanced = balance(factors.users, factors.items);
  const rank = balanced.values.length;
  figures.rank = rank;
  figures.score_error = scoreError(factors.users, factors.items, balanced);
  for (const side of sides) {
    figures[`${side}_live`] = factors[side].live;
    figures[`${side}_rank`] = factors[side].rank;
    figures[`${side}_condition`] = factors[side].condition;
    figures[`${side}_accuracy`] = accuracy(factors[side], balanced[side], balanced.values);
    figures[`${side}_gram_error`] = gramError(balanced[side], grams[side], balanced.values);
    check(side, factors[side], figures[`${side}_accuracy`]);
  }
  // A first run defines the space: its principal axes.
  let omega = identity(rank, d);
  const total = (of, rows, columns) => {
    const parts = Object.keys(anchors).map((side) => scaled(of(side), anchors[side]));
    return table(rows, columns, (i, j) => sum(parts.map((part) => part[i][j])));
  };
  const rowsOf = {};
  if (anchors) {
    const crosses = {};
    for (const side of Object.keys(anchors)) crosses[side] = matrix(sums, "cross", side, e, d);
    const cross = total((side) => times(balanced[side], crosses[side].entries), rank, d);
    const alignment = align(cross);
    omega = alignment.omega;
    figures.anchors = sum(Object.keys(crosses).map((side) => crosses[side].rows));
    if (largestEntry(cross) === 0) {
      throw new Error(
        "The SQL solver refuses: the runs share no ids to align on, or none with a weight above zero; " +
          "sqlstab run would, too, unless the earlier run has stored maps only."
      );
    }
    figures.ambiguous = alignment.ambiguous;
    const unit = timesTransposed(omega, omega).map((row, k) => row.map((value, l) => value - (k === l ? 1 : 0)));
    figures.omega_error = largestEntry(unit);
    if (sums.some((entry) => entry.kind === "shared_run")) {
      const ofRun = (side) =>
        timesTransposed(
          balanced[side],
          timesTransposed(balanced[side], matrix(sums, "shared_run", side, e, e).entries)
        );
      const ofReference = (side) => matrix(sums, "shared_reference", side, d, d).entries;
      Object.assign(figures, fit(cross, omega, total(ofRun, rank, rank), total(ofReference, d, d)));
    }
    rowsOf.omega = omega;
  }
  const errors = largest(sides.map((side) => figures[`${side}_gram_error`]));
  if (!(Math.max(figures.score_error, figures.omega_error || 0, 1e-7 * errors) <= 1e-9)) {
    throw new Error(
      `The SQL solver refuses: the result fails its own proof: scores change by ${figures.score_error}, ` +
        `the balanced Gram matrices are off by ${errors}. Use sqlstab run.`
    );
  }
  for (const side of sides) rowsOf[side] = times(transpose(balanced[side]), omega);
  rowsOf.singular_values = balanced.values.concat(new Array(e - rank).fill(0)).map((value) => [value]);
  Object.keys(figures).forEach((name) => (rowsOf[name] = [[figures[name]]]));
  const found = [];
  for (const name of Object.keys(rowsOf)) rowsOf[name].forEach((x, k) => found.push({ name, i: k + 1, x }));
  return found;
}
