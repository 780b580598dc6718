// Passkeys: what the server says in JSON becomes what the browser takes, and back (WebAuthn Level 3 §5.1.8).

type Json = Record<string, unknown>

export const passkeysKnown = (): boolean => typeof PublicKeyCredential !== 'undefined' && 'credentials' in navigator

export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const raw = atob(text.replace(/-/g, '+').replace(/_/g, '/'))
  const bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i)
  return bytes
}

export function toBase64url(buffer: ArrayBuffer): string {
  let raw = ''
  for (const byte of new Uint8Array(buffer)) raw += String.fromCharCode(byte)
  return btoa(raw).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}

/** The options alone, also when they come wrapped. */
function inner(options: unknown): Json {
  const given = options as Json
  return (given.publicKey ?? given.options ?? given) as Json
}

const withId = (list: unknown) => (Array.isArray(list) ? list.map((c: Json) => ({ ...c, id: fromBase64url(String(c.id)) })) : undefined)

/** Shows one that was made before. Throws when the person turns it down, or there is none. */
export async function showPasskey(options: unknown): Promise<Json> {
  const o = inner(options)
  const allowCredentials = withId(o.allowCredentials)
  const publicKey = { ...o, challenge: fromBase64url(String(o.challenge)), ...(allowCredentials ? { allowCredentials } : {}) }
  const made = (await navigator.credentials.get({ publicKey: publicKey as unknown as PublicKeyCredentialRequestOptions })) as PublicKeyCredential | null
  if (!made) throw new Error('no passkey')
  const response = made.response as AuthenticatorAssertionResponse
  return {
    ...outer(made),
    response: {
      clientDataJSON: toBase64url(response.clientDataJSON),
      authenticatorData: toBase64url(response.authenticatorData),
      signature: toBase64url(response.signature),
      userHandle: response.userHandle ? toBase64url(response.userHandle) : null,
    },
  }
}

/** Makes a new one. */
export async function makePasskey(options: unknown): Promise<Json> {
  const o = inner(options)
  const user = o.user as Json
  const excludeCredentials = withId(o.excludeCredentials)
  const publicKey = {
    ...o, challenge: fromBase64url(String(o.challenge)), user: { ...user, id: fromBase64url(String(user.id)) },
    ...(excludeCredentials ? { excludeCredentials } : {}),
  }
  const made = (await navigator.credentials.create({ publicKey: publicKey as unknown as PublicKeyCredentialCreationOptions })) as PublicKeyCredential | null
  if (!made) throw new Error('no passkey')
  const response = made.response as AuthenticatorAttestationResponse
  return {
    ...outer(made),
    response: {
      clientDataJSON: toBase64url(response.clientDataJSON),
      attestationObject: toBase64url(response.attestationObject),
      transports: response.getTransports?.() ?? [],
    },
  }
}

function outer(made: PublicKeyCredential): Json {
  return { id: made.id, rawId: toBase64url(made.rawId), type: made.type, clientExtensionResults: made.getClientExtensionResults() as unknown as Json }
}
