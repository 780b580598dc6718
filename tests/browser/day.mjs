// A day in Chromium beside real phones: the interop ring makes the calls and this page lives through them. The two
// take turns: a line on stdout says how far the pages are, a line on stdin lets them go on.
//
// HOTSEAT_E2E='{"base":…,"username":…,"password":…,"phones":["desk-17","desk-18","desk-19"],"shots":"DIR"}' node day.mjs

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { launch, report } from './browser.mjs'
import {
  answerQuestion, enterCredentials, findPhone, logIn, logOut, openPage, outcome, pickPhone, waitForPhone, waitForState,
  waitUntilIn, waitUntilThrownOut,
} from './e2e.mjs'

const { base, username, password, phones: [first, second, late], shots } = JSON.parse(process.env.HOTSEAT_E2E)
const turns = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Says how far the pages are and waits until the phones have followed. */
async function turn(word) {
  console.log(`> ${word}`)
  const { done } = await turns.next()
  assert.ok(!done, 'the phones went away')
}

if (shots) mkdirSync(shots, { recursive: true })
const shoot = (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`) })
const out = report()
const browser = await launch()
const one = await openPage(browser)
const two = await openPage(browser, { colorScheme: 'dark' })
try {
  await out.test('a phone that registers appears on the open list', async () => {
    await enterCredentials(one.page, { base, username, password })
    assert.equal(await outcome(one.page), 'phones')
    await waitForPhone(one.page, first, true)
    await findPhone(one.page, late)
    // The row exists; what is awaited is its becoming available, seen from inside the page to the millisecond.
    const seen = one.page.evaluate((name) => new Promise((resolve) => {
      const look = () => {
        const row = [...document.querySelectorAll('[role=option]')].find((r) => r.textContent.includes(name))
        if (row && row.getAttribute('aria-disabled') !== 'true') resolve(Date.now())
        else requestAnimationFrame(look)
      }
      look()
    }), late)
    console.log('> list')
    console.log(`> seen ${await seen}`)
    await shoot(one.page, 'list')
    await pickPhone(one.page, first)
    await waitUntilIn(one.page)
    await turn('in')
  })
  await out.test('a call is shown while it lasts', async () => {
    await waitForState(one.page, 'In call')
    await shoot(one.page, 'in-call')
  })
  await out.test('a second browser is asked and told where; no changes nothing', async () => {
    await enterCredentials(two.page, { base, username, password })
    assert.equal(await outcome(two.page), 'question')
    await shoot(two.page, 'question')
    const said = await answerQuestion(two.page, false)
    assert.ok(said.includes(first) && /call/i.test(said), said)
    await waitForState(one.page, 'In call')
    await turn('no')
  })
  await out.test('yes: the first page is thrown out with the sentence', async () => {
    await enterCredentials(two.page, { base, username, password })
    assert.equal(await outcome(two.page), 'question')
    await answerQuestion(two.page, true)
    await pickPhone(two.page, second)
    await waitUntilThrownOut(one.page)
    await waitUntilIn(two.page)
    await shoot(one.page, 'thrown-out')
    await turn('taken')
  })
  await out.test('the next call is at the new place', async () => {
    await waitForState(two.page, 'In call')
    await shoot(two.page, 'new-place')
    await turn('calling')
    await waitForState(two.page, 'Ready')
    await logOut(two.page)
    await turn('out')
  })
  await out.test('a name that is typed again in a third browser finds the phone free', async () => {
    await logIn(one.page, { base, username, password, phone: first })
    await shoot(one.page, 'back')
  })
} finally {
  await browser.close()
}
process.exit(out.end())
