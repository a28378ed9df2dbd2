-- What has happened to runs, in parts; the transforms are read when they are wanted.
SELECT t.event_id, t.event, t.run_id, t.part, t.parts, t.body
FROM "ml"."runs" AS t
WHERE t.event <> 'transform'
ORDER BY t.event_id, t.part
