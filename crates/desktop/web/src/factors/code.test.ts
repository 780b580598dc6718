import { expect, test } from 'vitest'
import { codeOf, grouped, recoveryOf } from './code'

test('six digits, however they are grouped', () => {
  expect(codeOf('123456')).toBe('123456')
  expect(codeOf(' 123 456 ')).toBe('123456')
  expect(codeOf('123-456')).toBe('123456')
  for (const wrong of ['', '12345', '1234567', '12345a', '１２３４５６']) expect(codeOf(wrong), wrong).toBeNull()
})

test('a recovery code keeps what it is made of', () => {
  expect(recoveryOf(' abcd-efgh ')).toBe('abcd-efgh')
  expect(recoveryOf('   ')).toBeNull()
})

test('a secret is read in fours', () => {
  expect(grouped('ABCDEFGHIJ')).toBe('ABCD EFGH IJ')
  expect(grouped('ABCD')).toBe('ABCD')
})
