// Softphones of others in calls: each calls out and is called, speaks what a file holds, and what it heard is kept in another,
// for whoever compares the two.
//
// HOTSEAT_E2E='{"ws":…,"domain":…,"kind":"jssip","user":"soft-1","secret":…,"number":"069123456","play":"FILE.wav","heard":"FOLDER"}' node talk.mjs

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { launch, person, report } from './browser.mjs'
import { open, serve, until } from './softphone.mjs'

const { ws, domain, kind, user, secret, number, play, heard } = JSON.parse(process.env.HOTSEAT_E2E)
const TALK_MS = 6_000
const turns = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Says how far the page is and waits until the other side has followed. */
async function turn(word) {
  console.log(`> ${word}`)
  const { done } = await turns.next()
  assert.ok(!done, 'the other side went away')
}

const site = await serve()
const browser = await launch([`--use-file-for-fake-audio-capture=${play}`])
const out = report()
const page = await open(await person(browser), site.url)
/** Little-endian samples of 16 bits. */
const keep = async (name) => {
  const samples = await page.evaluate(() => phone.heard())
  writeFileSync(join(heard, name), Buffer.from(Int16Array.from(samples).buffer))
}
try {
  await out.test(`${kind} calls out`, async () => {
    await page.evaluate(([kind, account]) => phone.start(kind, account), [kind, { ws, domain, user, secret }])
    await until(page, 'registered')
    await turn('registered')
    await page.evaluate((uri) => phone.call(uri), `sip:${number}@${domain}`)
    await until(page, 'up')
    await page.waitForTimeout(TALK_MS)
    await page.evaluate(() => phone.hangUp())
    await until(page, 'ended')
    await keep('out')
    await turn('called')
  })
  await out.test(`${kind} is called`, async () => {
    await until(page, 'up', 2)
    await until(page, 'ended', 2)
    await keep('in')
    await turn('was called')
  })
} finally {
  await browser.close()
  site.close()
}
process.exit(out.end())
