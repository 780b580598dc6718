import { expect, test } from 'vitest'
import { refusedMessage } from './refused'

test('why the other side sent back: a sentence for every word, and only a word of ours is repeated', () => {
  expect(refusedMessage('')).toBeNull()
  expect(refusedMessage('?refused=oidc_denied')?.text).toBe('The login was cancelled.')
  expect(refusedMessage('?next=%2F&refused=some_new_word')?.text).toContain('(some_new_word)')
  expect(refusedMessage(`?refused=${encodeURIComponent('<b>x</b>')}`)?.text).toContain('(unknown)')
})
