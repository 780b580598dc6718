// A provider of OpenID Connect like Google: PKCE required, `email`, `email_verified` and `hd` in the ID token, `iss` in the redirect.
//
// HOTSEAT_OIDC='{"port":1234,"key":"dc.key","cert":"dc.pem","redirect":"https://…/api/login/oidc/back"}' node oidcprovider.mjs
// Prints `> ready`. `POST /test/rotate` takes another signing key. Anybody may log in as one of PEOPLE, with any password.

import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { pathToFileURL } from 'node:url'
import { Provider } from 'oidc-provider'

export const CLIENT = { client_id: 'hotseat', client_secret: 'provider-secret-0123456789' }

const PEOPLE = {
  ann: { email: 'Ann@Example.com', email_verified: true, hd: 'example.com' },
  unverified: { email: 'ann@example.com', email_verified: false, hd: 'example.com' },
  stranger: { email: 'stranger@example.com', email_verified: true, hd: 'example.com' },
  elsewhere: { email: 'ann@example.com', email_verified: true, hd: 'other.example' },
  twin: { email: 'ann@example.com', email_verified: true, hd: 'example.com' },
}

let keys = 0
function signingKey() {
  keys += 1
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: `key-${keys}`, use: 'sig', alg: 'RS256' }
}

export function serve({ port, key, cert, redirect }) {
  const issuer = `https://127.0.0.1:${port}`
  const stored = new Map()
  // One store for all providers: a new key is a new provider, but people and codes stay.
  class Adapter {
    constructor(name) { this.name = name }
    id(id) { return `${this.name}:${id}` }
    async upsert(id, payload) { stored.set(this.id(id), payload) }
    async find(id) { return stored.get(this.id(id)) }
    async findByUid(uid) { return [...stored].filter(([name]) => name.startsWith(`${this.name}:`)).map(([, p]) => p).find((p) => p.uid === uid) }
    async findByUserCode() { return undefined }
    async consume(id) { const found = stored.get(this.id(id)); if (found) found.consumed = Math.floor(Date.now() / 1000) }
    async destroy(id) { stored.delete(this.id(id)) }
    async revokeByGrantId(grant) { for (const [name, p] of stored) if (p.grantId === grant) stored.delete(name) }
  }
  const made = () => new Provider(issuer, {
    adapter: Adapter,
    clients: [{ ...CLIENT, redirect_uris: [redirect] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified', 'hd'], profile: ['name'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['for a test only'] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => PEOPLE[id] && { accountId: id, claims: () => ({ sub: `sub-${id}`, name: id, ...PEOPLE[id] }) },
    jwks: { keys: [signingKey()] },
    pkce: { required: () => true },
  })
  let provider = made().callback()
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    if (request.method === 'POST' && request.url === '/test/rotate') {
      provider = made().callback()
      response.end('rotated\n')
      return
    }
    provider(request, response)
  })
  return new Promise((resolve) => { server.listen(port, '127.0.0.1', () => resolve(server)) })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await serve(JSON.parse(process.env.HOTSEAT_OIDC))
  console.log('> ready')
}
