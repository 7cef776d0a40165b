// The parameters of the hashes.
import argon2 from 'argon2'

export const DEFAULT_TYPE = 'CRM5/PASSWORD'
export const HASH_OPTIONS = {
  type: argon2.argon2id, memoryCost: 19456, timeCost: 2, parallelism: 1, hashLength: 32
}
