import { expect, test } from 'vitest'
import { fromBase64url, toBase64url } from './passkey'

test('bytes go to base64url and back, without padding', () => {
  for (const bytes of [[], [0], [255, 254], [251, 255, 191], [1, 2, 3, 4]]) {
    const text = toBase64url(new Uint8Array(bytes).buffer)
    expect(text).toMatch(/^[A-Za-z0-9_-]*$/)
    expect([...fromBase64url(text)]).toEqual(bytes)
  }
  expect(toBase64url(new Uint8Array([251, 255, 191]).buffer)).toBe('-_-_')
})
