// Creates the tables, and the users of a measurement.
//
//     prepare.js CALLERS TARGETS PASSWORD
import argon2 from 'argon2'
import pg from 'pg'
import { DEFAULT_TYPE, HASH_OPTIONS } from './hash.js'

const [callers, targets, password] = process.argv.slice(2)
const users = 'INSERT INTO users SELECT $1 + n, $2 || n, $3 FROM generate_series(0, $4::int - 1) AS n'

const client = new pg.Client()
await client.connect()
await client.query(`
  CREATE TABLE users (
    id int PRIMARY KEY, login_name text NOT NULL UNIQUE, is_administrator bool NOT NULL
  );
  CREATE TABLE credentials (
    user_id int NOT NULL REFERENCES users, type text NOT NULL, hash text NOT NULL,
    display_value text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, type)
  )`)
await client.query(users, [1000, 'caller', true, callers])
await client.query(users, [100000, 'target', false, targets])
await client.query(
  `INSERT INTO credentials (user_id, type, hash, display_value)
   SELECT id, $1, $2, '' FROM users WHERE is_administrator`,
  [DEFAULT_TYPE, await argon2.hash(password, HASH_OPTIONS)])
await client.end()
