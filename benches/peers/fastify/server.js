// Saves credentials with Fastify, pg and node-argon2, with one process for each processor.
import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import basicAuth from '@fastify/basic-auth'
import jwt from '@fastify/jwt'
import postgres from '@fastify/postgres'
import argon2 from 'argon2'
import Fastify from 'fastify'
import { DEFAULT_TYPE, HASH_OPTIONS } from './hash.js'

const FOREIGN_KEY_VIOLATION = '23503'

const principalSchema = {
  type: 'object',
  properties: {
    AssociateId: { type: 'integer' },
    Associate: { type: 'string' },
    IsAdministrator: { type: 'boolean' }
  }
}

const saveSchema = {
  type: 'object',
  required: ['UserId', 'Credential'],
  properties: {
    UserId: { type: 'integer' },
    Credential: {
      type: 'object',
      required: ['Value'],
      properties: {
        Type: { type: ['object', 'null'], properties: { Type: { type: ['string', 'null'] } } },
        Value: { type: 'string', minLength: 1, maxLength: 1024 },
        DisplayValue: { type: 'string', default: '' }
      }
    }
  }
}

async function build () {
  const app = Fastify()
  // An unknown name takes as long as a wrong password.
  const unknown = await argon2.hash(randomBytes(16), HASH_OPTIONS)

  async function validate (name, password, request) {
    const { rows: [row] } = await app.pg.query({
      name: 'find_credential',
      text: `SELECT id, login_name, is_administrator, hash FROM users
             JOIN credentials ON user_id = id AND type = $2 WHERE login_name = $1`,
      values: [name, DEFAULT_TYPE]
    })
    const matches = await argon2.verify(row ? row.hash : unknown, password)
    if (!row || !matches) throw Object.assign(new Error('Unauthorized'), { statusCode: 401 })
    request.principal = {
      AssociateId: row.id, Associate: row.login_name, IsAdministrator: row.is_administrator
    }
  }

  app.decorateRequest('principal', null)
  await app.register(postgres, { max: 10 })
  await app.register(jwt, {
    secret: process.env.TOKEN_SECRET,
    sign: { algorithm: 'HS256', expiresIn: '1h' },
    verify: { algorithms: ['HS256'] }
  })
  await app.register(basicAuth, { validate, authenticate: { realm: 'peers' } })

  // With callbacks: the hook of @fastify/basic-auth takes one.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.headers.authorization?.startsWith('Bearer ')) return app.basicAuth(request, reply, done)
    request.jwtVerify().then(({ sub, name, admin }) => {
      request.principal = { AssociateId: Number(sub), Associate: name, IsAdministrator: admin }
      done()
    }, done)
  })

  app.get('/api/v1/User/currentPrincipal', { schema: { response: { 200: principalSchema } } },
    async request => request.principal)

  app.get('/api/v1/User/currentToken', async (request, reply) => {
    const { AssociateId, Associate, IsAdministrator } = request.principal
    const token = app.jwt.sign({ sub: String(AssociateId), name: Associate, admin: IsAdministrator })
    return reply.type('application/json').send(JSON.stringify(token))
  })

  app.post('/api/v1/Agents/User/SaveCredential', {
    schema: { body: saveSchema, response: { 200: { type: 'boolean' } } }
  }, async (request, reply) => {
    const { UserId, Credential: { Type, Value, DisplayValue } } = request.body
    const { IsAdministrator, AssociateId } = request.principal
    if (!IsAdministrator && AssociateId !== UserId) return reply.code(403).send()
    const hash = await argon2.hash(Value, HASH_OPTIONS)
    try {
      await app.pg.query({
        name: 'save_credential',
        text: `INSERT INTO credentials (user_id, type, hash, display_value) VALUES ($1, $2, $3, $4)
               ON CONFLICT (user_id, type) DO UPDATE SET hash = excluded.hash,
               display_value = excluded.display_value, updated_at = now()`,
        values: [UserId, Type?.Type ?? DEFAULT_TYPE, hash, DisplayValue]
      })
    } catch (error) {
      if (error.code === FOREIGN_KEY_VIOLATION) return reply.code(404).send()
      throw error
    }
    return true
  })
  return app
}

if (cluster.isPrimary) {
  for (let n = 0; n < availableParallelism(); n++) cluster.fork()
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0))
  cluster.on('exit', () => process.exit(1))
} else {
  const app = await build()
  await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT), backlog: 2048 })
}
