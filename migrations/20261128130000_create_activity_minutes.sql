-- The activity of all instances: each writes one row for each minute, from counters in its memory, and
-- any of them shows the last hour and the last day of all. Rows of the day before are deleted. Nothing
-- depends on a row: a lost minute is a gap in a plot.
-- Distribution: by instance_id.
-- Locks nothing: the table is new.

CREATE TABLE activity_minutes (
    -- The minute, by the clock of the instance.
    minute            timestamptz NOT NULL,
    -- The name of the host and random digits, new at each start of a process.
    instance_id       text        NOT NULL,
    -- Credentials that were saved.
    saves             bigint      NOT NULL,
    -- Passwords that authenticated their user.
    logins            bigint      NOT NULL,
    -- Passwords that were refused, for any reason but throttling.
    failures          bigint      NOT NULL,
    -- Attempts that were refused because there were too many.
    throttled         bigint      NOT NULL,
    -- Hashes that were computed.
    hashes            bigint      NOT NULL,
    -- Hashes that could have been computed.
    hash_capacity     bigint      NOT NULL,
    -- Requests and jobs that were refused because of overload.
    shed              bigint      NOT NULL,
    -- Verifications that the cache answered with yes.
    cache_hits        bigint      NOT NULL,
    -- Verifications that needed a hash.
    cache_misses      bigint      NOT NULL,
    -- Jobs that left the hashing queue to be computed.
    waits             bigint      NOT NULL,
    -- The time that these jobs spent in the queue, in microseconds.
    wait_microseconds bigint      NOT NULL,
    -- The longest queue that was seen, in jobs.
    queue_maximum     bigint      NOT NULL,
    -- By minute first: the reading of the last day is one range.
    CONSTRAINT activity_minutes_pkey PRIMARY KEY (minute, instance_id),
    CONSTRAINT activity_minutes_minute_check
        CHECK (extract(epoch FROM minute)::numeric % 60 = 0),
    CONSTRAINT activity_minutes_instance_id_check
        CHECK (char_length(instance_id) BETWEEN 1 AND 80),
    -- Bounded, so that the sum of a day fits into a bigint.
    CONSTRAINT activity_minutes_figures_check CHECK (
        least(saves, logins, failures, throttled, hashes, hash_capacity, shed, cache_hits,
              cache_misses, waits, wait_microseconds, queue_maximum) >= 0
        AND greatest(saves, logins, failures, throttled, hashes, hash_capacity, shed, cache_hits,
                     cache_misses, waits, wait_microseconds, queue_maximum) <= 1000000000000
    )
);
