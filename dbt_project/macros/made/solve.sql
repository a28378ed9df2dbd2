{#- Made from sql/solve.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro part_solve_weight(anchors, side) -%}
CASE {{ side }}{% for anchor in anchors %} WHEN '{{ anchor.side }}' THEN {{ anchor.weight }}{% endfor %} ELSE 0 END
{%- endmacro -%}

{%- macro part_solve_whole(dialect, number) -%}
{{ sqlstab.filled(dialect.as_text, ["CAST(" ~ number ~ " AS " ~ dialect.bigint ~ ")"]) }}
{%- endmacro -%}

{%- macro statement_solve(dialect, dimension, reference_dimension, crosses, grams, anchors, shared, figure_names) -%}
{%- set e = dimension -%}
{%- set d = reference_dimension or dimension -%}
{%- set sides = ["users", "items"] -%}


{%- set floor = 4 * e * 2.220446049250313E-16 -%}
-- The two maps, from sums. Rows (name, i, j, value): name is users or items for the maps, {{ "omega for the\n-- alignment, " if crosses }}singular_values (j = 1), or that of a figure (i = j = 1).
WITH
-- The Gram matrices G_T = T'T of the items and G_W = W'W of the users: rows, and the norms of the columns of T and W.
gram AS MATERIALIZED (
    {{ sqlstab.part_matrices_gram_rows(dialect, grams) | indent(4) }}
),
norms AS MATERIALIZED (
    SELECT
        side,
        i,
        sqrt(value) AS norm,
        n_rows
    FROM {{ grams }} AS g
    WHERE i = j
),
-- 1. Cholesky with pivots: G = R'R, and P with R P = I. All columns of T and W are scaled to length one first.
unit_gram AS MATERIALIZED (
    SELECT
        g.side AS side,
        g.i AS i,
        {{ sqlstab.filled(dialect.collect, ["coalesce(g.value / nullif(a.norm, 0) / nullif(b.norm, 0), 0)", "g.j"]) }} AS x
    FROM (
        {{ sqlstab.part_matrices_mirrored(grams) | indent(8) }}
    ) AS g
    JOIN norms AS a ON a.side = g.side AND a.i = g.i
    JOIN norms AS b ON b.side = g.side AND b.i = g.j
    GROUP BY
        g.side,
        g.i
),
unit_factors AS MATERIALIZED (
    {{ sqlstab.part_matrices_cholesky(dialect, "unit_gram", e, floor) | indent(4) }}
),
-- Columns i of R (x) and rows i of P (p).
factors AS MATERIALIZED (
    SELECT
        f.side AS side,
        f.i AS i,
        {{ sqlstab.filled(dialect.scaled, ["f.r", "coalesce(1 / nullif(m.norm, 0), 1)"]) }} AS x,
        {{ sqlstab.filled(dialect.scaled, ["f.p", "coalesce(nullif(m.norm, 0), 1)"]) }} AS p,
        m.norm AS norm
    FROM unit_factors AS f
    JOIN norms AS m ON m.side = f.side AND m.i = f.i
),
-- Rows n of R.
triangles AS MATERIALIZED (
    {{ sqlstab.part_matrices_transposed(dialect, "factors", ["side"], "i", "n", e) | indent(4) }}
),
-- 2. The singular value decomposition R_T R_W' = U S V', whose columns times V are U S; S are the singular values of
-- the scores T W'.
scores AS MATERIALIZED (
    SELECT
        w.n AS k,
        {{ sqlstab.filled(dialect.collect, [sqlstab.filled(dialect.dot, ["t.x", "w.x"]), "t.n"]) }} AS x
    FROM (SELECT n, x FROM triangles WHERE side = 'users') AS w
    CROSS JOIN (SELECT n, x FROM triangles WHERE side = 'items') AS t
    GROUP BY w.n
),
orthogonal AS MATERIALIZED (
    {{ sqlstab.part_matrices_jacobi(dialect, "scores", e) | indent(4) }}
),
singular AS MATERIALIZED (
    SELECT
        {{ sqlstab.filled(dialect.as_integer, ["row_number() OVER (ORDER BY length DESC, k)"]) }} AS k,
        CASE WHEN length > {{ floor }} * max(length) OVER () THEN length ELSE 0 END AS s,
        y
    FROM (
        SELECT
            k,
            y,
            sqrt({{ sqlstab.filled(dialect.dot, ["y", "y"]) }}) AS length
        FROM orthogonal
    ) AS c
),
-- 3. The columns k of M_T = P_T U S^(1/2) and M_W = R_T' U S^(-1/2): T M_T and W M_W have the same Gram matrix, S.
balanced AS MATERIALIZED (
    SELECT
        o.side AS side,
        c.k AS k,
        c.s AS s,
        {{ sqlstab.filled(dialect.collect, [
            "CASE WHEN c.s = 0 OR f.norm = 0 THEN 0 WHEN o.side = 'items' THEN "
            ~ sqlstab.filled(dialect.dot, ["f.p", "c.y"]) ~ " / sqrt(c.s) ELSE "
            ~ sqlstab.filled(dialect.dot, ["f.x", "c.y"]) ~ " / (c.s * sqrt(c.s)) END", "f.i"]) }} AS x
    FROM singular AS c
    CROSS JOIN (SELECT 'users' AS side UNION ALL SELECT 'items' AS side) AS o
    JOIN (
        SELECT
            m.side AS side,
            f.i AS i,
            f.x AS x,
            f.p AS p,
            m.norm AS norm
        FROM factors AS f
        JOIN norms AS m ON m.i = f.i
        WHERE f.side = 'items'
    ) AS f ON f.side = o.side
    GROUP BY
        o.side,
        c.k,
        c.s
),
balanced_rows AS MATERIALIZED (
    {{ sqlstab.part_matrices_transposed(dialect, "balanced", ["side"], "k", "i", e) | indent(4) }}
),
{%- if crosses %}
-- 4. The cross Gram matrix of the balanced vectors with the reference's, C = M_T' (T'T_ref)
{%- if anchors | length == 2 %}, summed over both sides{% endif %}, has the singular value
-- decomposition C = A D B'. Omega = A B', its polar factor, brings this run closest to the reference.
references_y AS MATERIALIZED (
    SELECT
        side,
        j,
        {{ sqlstab.filled(dialect.collect, ["value", "i"]) }} AS x
    FROM {{ crosses }} AS c
    GROUP BY
        side,
        j
),
-- Its rows k, which are the columns of C'.
crossed AS MATERIALIZED (
    SELECT
        k,
        {{ sqlstab.filled(dialect.collect, ["value", "j"]) }} AS x
    FROM (
        SELECT
            b.k AS k,
            r.j AS j,
            sum({{ sqlstab.part_solve_weight(anchors, "r.side") }} * {{ sqlstab.filled(dialect.dot, ["b.x", "r.x"]) }}) AS value
        FROM balanced AS b
        JOIN references_y AS r ON r.side = b.side
        GROUP BY
            b.k,
            r.j
    ) AS entries
    GROUP BY k
),
-- Rows k of Omega.
omega_rows AS MATERIALIZED (
    {{ sqlstab.part_matrices_polar(dialect, "crossed", d) | indent(4) }}
),
omega AS MATERIALIZED (
    {{ sqlstab.part_matrices_transposed(dialect, "omega_rows", [], "k", "j", d) | indent(4) }}
),
{%- endif %}
-- 5. The maps: M_T{{ " Omega" if crosses }} for the items, M_W{{ " Omega" if crosses }} for the users.
{%- if not crosses %} The first run defines the space: principal axes of
-- the scores, whose signs make the largest entry of each column of M_T positive.
{%- endif %}
maps AS MATERIALIZED (
    {%- if crosses %}
    SELECT
        m.side AS side,
        m.i AS i,
        o.j AS j,
        {{ sqlstab.filled(dialect.dot, ["m.x", "o.x"]) }} AS value
    FROM balanced_rows AS m
    CROSS JOIN omega AS o
    {%- else %}
    SELECT
        e.side AS side,
        e.i AS i,
        e.k AS j,
        e.value * signs.sign AS value
    FROM (
        {{ sqlstab.part_matrices_elements(dialect, "balanced", ["side", "k"], "i", e) | indent(8) }}
    ) AS e
    JOIN (
        SELECT
            k,
            CASE WHEN value < 0 THEN -1 ELSE 1 END AS sign
        FROM (
            SELECT
                k,
                value,
                row_number() OVER (PARTITION BY k ORDER BY abs(value) DESC, i) AS place
            FROM (
                {{ sqlstab.part_matrices_elements(dialect, "(SELECT k, x FROM balanced WHERE side = 'items')", ["k"], "i", e) | indent(16) }}
            ) AS e
        ) AS by_size
        WHERE place = 1
    ) AS signs ON signs.k = e.k
    {%- endif %}
),
-- Proof. The balanced Gram matrices M'GM must be S: the largest error of an entry (k, l), relative to sqrt(s_k s_l).
gram_balanced AS MATERIALIZED (
    {{ sqlstab.part_matrices_times_gram(dialect, "balanced", "gram") | indent(4) }}
),
gram_errors AS MATERIALIZED (
    SELECT
        b.side AS side,
        max(abs({{ sqlstab.filled(dialect.dot, ["b.x", "p.x"]) }} - CASE WHEN b.k = p.k THEN b.s ELSE 0 END) / sqrt(b.s) / sqrt(c.s)) AS value
    FROM balanced AS b
    JOIN gram_balanced AS p ON p.side = b.side
    JOIN singular AS c ON c.k = p.k
    WHERE b.s > 0 AND c.s > 0
    GROUP BY b.side
),
-- Scores must not change: the largest entry of R_T (M_T M_W' - I) R_W', relative to the largest singular value.
triangles_balanced AS MATERIALIZED (
    SELECT
        t.side AS side,
        t.n AS n,
        {{ sqlstab.filled(dialect.collect, [sqlstab.filled(dialect.dot, ["t.x", "b.x"]), "b.k"]) }} AS x
    FROM triangles AS t
    JOIN balanced AS b ON b.side = t.side
    GROUP BY
        t.side,
        t.n
),
score_error AS MATERIALIZED (
    SELECT max(abs({{ sqlstab.filled(dialect.dot, ["t.b", "w.b"]) }} - {{ sqlstab.filled(dialect.dot, ["t.x", "w.x"]) }})) / (SELECT max(s) FROM singular) AS value
    FROM (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN triangles AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'items'
    ) AS t
    CROSS JOIN (
        SELECT
            b.x AS b,
            r.x AS x
        FROM triangles_balanced AS b
        JOIN triangles AS r ON r.side = b.side AND r.n = b.n
        WHERE b.side = 'users'
    ) AS w
),
{%- if crosses %}
-- Rows of Omega that are in use must be orthonormal.
omega_error AS MATERIALIZED (
    SELECT max(abs({{ sqlstab.filled(dialect.dot, ["a.x", "b.x"]) }} - CASE WHEN a.k = b.k THEN 1 ELSE 0 END)) AS value
    FROM omega_rows AS a
    CROSS JOIN omega_rows AS b
    WHERE
        a.k <= (SELECT count(*) FROM singular WHERE s > 0)
        AND b.k <= (SELECT count(*) FROM singular WHERE s > 0)
),
{%- if shared %}
-- How well the two runs fit: X are the balanced vectors of the shared ids, Y the reference's; C = X'Y.
shared_gram AS MATERIALIZED (
    {{ sqlstab.part_matrices_gram_rows(dialect, shared.run) | indent(4) }}
),
shared_balanced AS MATERIALIZED (
    {{ sqlstab.part_matrices_times_gram(dialect, "balanced", "shared_gram") | indent(4) }}
),
run_gram AS MATERIALIZED (
    SELECT
        b.k AS k,
        p.k AS l,
        sum({{ sqlstab.part_solve_weight(anchors, "b.side") }} * {{ sqlstab.filled(dialect.dot, ["b.x", "p.x"]) }}) AS value
    FROM balanced AS b
    JOIN shared_balanced AS p ON p.side = b.side
    GROUP BY
        b.k,
        p.k
),
reference_gram AS MATERIALIZED (
    SELECT
        i,
        j,
        sum({{ sqlstab.part_solve_weight(anchors, "e.side") }} * value) AS value
    FROM (
        {{ sqlstab.part_matrices_mirrored(shared.reference) | indent(8) }}
    ) AS e
    GROUP BY
        i,
        j
),
sizes AS MATERIALIZED (
    SELECT
        (SELECT sum(value) FROM run_gram WHERE k = l) AS run_trace,
        (SELECT sum(value) FROM reference_gram WHERE i = j) AS reference_trace,
        (SELECT sum(value * value) FROM run_gram) AS run_squares,
        (SELECT sum(value * value) FROM reference_gram) AS reference_squares,
        (SELECT sum({{ sqlstab.filled(dialect.dot, ["o.x", "c.x"]) }}) FROM omega_rows AS o JOIN crossed AS c ON c.k = o.k) AS cross_nuclear,
        (SELECT sum({{ sqlstab.filled(dialect.dot, ["x", "x"]) }}) FROM crossed) AS cross_squares
),
{%- endif %}
{%- endif %}
-- The pivots of the Cholesky factors are the squares of the largest entries of the rows of R.
pivots AS MATERIALIZED (
    SELECT
        side,
        sum(CASE WHEN square > 0 THEN 1 ELSE 0 END) AS rank,
        coalesce(min(nullif(square, 0)), 1) AS smallest
    FROM (
        SELECT
            side,
            n,
            max(value * value) AS square
        FROM (
            {{ sqlstab.part_matrices_elements(dialect, "(SELECT side, i, r AS x FROM unit_factors)", ["side", "i"], "n", e) | indent(12) }}
        ) AS e
        GROUP BY
            side,
            n
    ) AS p
    GROUP BY side
),
-- What the rounding errors of the sums may do to the axes: these, times the trace of the inverse of the Gram matrix of
-- columns of length one, since G^(-1) = M S^(-1) M'.
accuracies AS MATERIALIZED (
    SELECT
        b.side AS side,
        2.220446049250313E-16 * (16 + sqrt(max(m.n_rows))) * sum(b.value * b.value * m.norm * m.norm / b.s) AS value
    FROM (
        {{ sqlstab.part_matrices_elements(dialect, "balanced", ["side", "k", "s"], "i", e) | indent(8) }}
    ) AS b
    JOIN norms AS m ON m.side = b.side AND m.i = b.i
    WHERE b.s > 0
    GROUP BY b.side
),
side_figures AS MATERIALIZED (
    SELECT
        m.side AS side,
        max(m.n_rows) AS n_rows,
        count(*) AS columns,
        sum(CASE WHEN m.norm > 0 THEN 1 ELSE 0 END) AS live,
        max(p.rank) AS rank,
        -- Of the table with its columns scaled to length one: at least this, from the smallest pivot.
        1 / sqrt(max(p.smallest)) AS condition,
        max(a.value) AS accuracy,
        max(g.value) AS gram_error
    FROM norms AS m
    JOIN pivots AS p ON p.side = m.side
    LEFT JOIN accuracies AS a ON a.side = m.side
    LEFT JOIN gram_errors AS g ON g.side = m.side
    GROUP BY m.side
),
rank_of_scores AS MATERIALIZED (
    SELECT sum(CASE WHEN s > 0 THEN 1 ELSE 0 END) AS rank
    FROM singular
),
{%- if crosses %}
-- Directions of this run that the shared ids say something about; the rows of Omega for all others are near zero.
determined AS MATERIALIZED (
    SELECT floor(sum({{ sqlstab.filled(dialect.dot, ["x", "x"]) }}) + 1E-3) AS aligned
    FROM omega_rows
),
anchors AS MATERIALIZED (
    SELECT sum(n_rows) AS anchors
    FROM (
        SELECT
            side,
            max(n_rows) AS n_rows
        FROM {{ crosses }} AS c
        GROUP BY side
    ) AS shared
),
{%- endif %}
figures AS MATERIALIZED (
    SELECT
        {%- for side in sides %}
        {{ side }}.n_rows AS {{ side }}_rows,
        {{ side }}.columns AS {{ side }}_columns,
        {{ side }}.live AS {{ side }}_live,
        {{ side }}.rank AS {{ side }}_rank,
        {{ side }}.condition AS {{ side }}_condition,
        {{ side }}.accuracy AS {{ side }}_accuracy,
        {{ side }}.gram_error AS {{ side }}_gram_error,
        {%- endfor %}
        rank_of_scores.rank AS rank,
        score_error.value AS score_error
        {%- if crosses %},
        anchors.anchors AS anchors,
        determined.aligned AS aligned,
        omega_error.value AS omega_error
        {%- if shared %},
        sqrt(greatest(run_trace + reference_trace - 2 * cross_nuclear, 0) / reference_trace) AS relative_residual,
        cross_squares / (sqrt(run_squares) * sqrt(reference_squares)) AS cka,
        sqrt(sqrt({{ 2 * [d, e] | max }} * greatest(run_squares + reference_squares - 2 * cross_squares, 0)) / reference_trace) AS bound
        {%- endif %}
        {%- endif %}
    FROM (SELECT * FROM side_figures WHERE side = 'users') AS users
    CROSS JOIN (SELECT * FROM side_figures WHERE side = 'items') AS items
    CROSS JOIN rank_of_scores
    CROSS JOIN score_error
    {%- if crosses %}
    CROSS JOIN anchors
    CROSS JOIN determined
    CROSS JOIN omega_error
    {%- if shared %}
    CROSS JOIN sizes
    {%- endif %}
    {%- endif %}
),
-- What forbids a result; NULL if nothing does.
checked AS MATERIALIZED (
    SELECT
        f.*,
        CASE
            {%- for side in sides %}
            WHEN {{ side }}_columns <> {{ e }}
            THEN 'The SQL solver refuses: {{ side }}: the sums are of ' || {{ sqlstab.part_solve_whole(dialect, side ~ "_columns") }} || ' components, not of {{ e }}; sqlstab run would, too.'
            WHEN {{ side }}_rank < {{ side }}_live
            THEN 'The SQL solver refuses: {{ side }}: of ' || {{ sqlstab.part_solve_whole(dialect, side ~ "_live") }} || ' columns that are not zero only ' || {{ sqlstab.part_solve_whole(dialect, side ~ "_rank") }}
                || ' are independent, as far as these sums show. Use sqlstab run, which takes a second pass where it must.'
            WHEN NOT coalesce({{ side }}_accuracy <= 1E-2, false)
            THEN 'The SQL solver refuses: {{ side }}: the columns are nearly dependent (condition at least ' || {{ sqlstab.filled(dialect.as_text, [side ~ "_condition"]) }}
                || '), too much for sums of products. Use sqlstab run, which takes a second pass.'
            {%- endfor %}
            WHEN rank = 0
            THEN 'The SQL solver refuses: all scores are zero, users and items have no direction in common; sqlstab run would, too.'
            {%- if crosses %}
            WHEN NOT coalesce(aligned >= rank, false)
            THEN 'The SQL solver refuses: the shared ids say nothing about ' || {{ sqlstab.part_solve_whole(dialect, "rank - aligned") }} || ' of ' || {{ sqlstab.part_solve_whole(dialect, "rank") }}
                || ' directions. Use sqlstab run, which places them in what is left of the space.'
            {%- endif %}
            WHEN NOT coalesce(greatest(score_error, {{ "omega_error, " if crosses }}1E-7 * users_gram_error, 1E-7 * items_gram_error) <= 1E-9, false)
            THEN 'The SQL solver refuses: the result fails its own proof: scores change by ' || {{ sqlstab.filled(dialect.as_text, ["score_error"]) }}
                || ', the balanced Gram matrices are off by ' || {{ sqlstab.filled(dialect.as_text, ["greatest(users_gram_error, items_gram_error)"]) }}
                {%- if crosses %}
                || ', Omega is not orthogonal by ' || {{ sqlstab.filled(dialect.as_text, ["omega_error"]) }}
                {%- endif %}
                || '. Use sqlstab run.'
        END AS problem
    FROM figures AS f
)
SELECT
    r.name AS name,
    r.i AS i,
    r.j AS j,
    CASE WHEN c.problem IS NULL THEN r.value ELSE {{ sqlstab.filled(dialect.solving.refuse, ["c.problem"]) }} END AS value
FROM checked AS c
CROSS JOIN (
    SELECT side AS name, i, j, value FROM maps
    UNION ALL
    {%- if crosses %}
    SELECT 'omega', k, j, value
    FROM (
        {{ sqlstab.part_matrices_elements(dialect, "omega", ["j"], "k", e) | indent(8) }}
    ) AS o
    WHERE k <= (SELECT rank FROM figures)
    UNION ALL
    {%- endif %}
    SELECT 'singular_values', k, 1, s FROM singular
    {%- for name in figure_names %}
    UNION ALL
    SELECT '{{ name }}', 1, 1, {{ sqlstab.filled(dialect.as_double, [name]) }} FROM figures
    {%- endfor %}
) AS r
{%- endmacro -%}
