-- The transform of one run, in parts.
SELECT t.event_id, t.event, t.run_id, t.part, t.parts, t.body
FROM "ml"."runs" AS t
WHERE t.event = 'transform' AND t.run_id = '20261124T000000Z-ab'
ORDER BY t.event_id, t.part
