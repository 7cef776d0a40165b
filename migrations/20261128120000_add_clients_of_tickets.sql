-- Where each ticket and session was issued, and where it was last used, so that users recognize their
-- own. Deleted with the ticket. Rows of earlier releases have none of it.
-- Locks: blocks `tickets` while it is read once.

ALTER TABLE tickets
    -- The client address that the ticket was issued to. Null: issued by a command.
    ADD COLUMN address text,
    -- What the client said about itself (User-Agent). Null: nothing.
    ADD COLUMN device text,
    -- A use of the ticket, recorded at most every few minutes. Null: none was recorded.
    ADD COLUMN last_used_at timestamptz,
    -- The client address of that use.
    ADD COLUMN last_used_address text,
    ADD CONSTRAINT tickets_address_check CHECK (char_length(address) BETWEEN 1 AND 45),
    ADD CONSTRAINT tickets_device_check CHECK (char_length(device) BETWEEN 1 AND 200),
    ADD CONSTRAINT tickets_last_used_address_check
        CHECK (char_length(last_used_address) BETWEEN 1 AND 45);
