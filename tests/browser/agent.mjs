// An agent in Chromium who does what the interop ring says, deed by deed, so that several can be in one story. Each line that
// comes in is a deed as JSON, `["call","2001"]`; each is answered by `> done` or by why it could not be done.
//
// HOTSEAT_E2E='{"base":…,"username":…,"password":…,"plays":"a.wav","shots":"DIR"}' node agent.mjs

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { waitForState } from './e2e.mjs'
import { record } from './melody.mjs'
import { call, getReady, hangUp, openPhone } from './phone.mjs'
import { wav } from './wav.mjs'

const config = JSON.parse(process.env.HOTSEAT_E2E)
if (config.shots) mkdirSync(config.shots, { recursive: true })
const { page, close } = await openPhone({ plays: config.plays })

const deeds = {
  ready: () => getReady(page, config),
  call: (number) => call(page, number),
  async answer() {
    await page.getByRole('button', { name: 'Answer' }).click()
    await waitForState(page, 'In call', 15_000)
  },
  record: async (file, ms) => wav(file, await record(page, Number(ms))),
  async transfer(number) {
    await page.getByRole('button', { name: 'Transfer' }).click()
    await page.getByRole('dialog').waitFor()
    await page.keyboard.type(number)
    if (config.shots) await page.screenshot({ path: join(config.shots, 'agent-transfer.png') })
    await page.keyboard.press('Enter')
    await waitForState(page, 'Ready', 15_000)
    if (config.shots) await page.screenshot({ path: join(config.shots, 'agent-transferred.png') })
  },
  async press(digits) {
    await page.keyboard.press('Alt+k')
    for (const digit of digits) {
      await page.keyboard.press(digit)
      await page.waitForTimeout(250)
    }
    await page.getByText(digits).waitFor()
    await page.keyboard.press('Escape')
  },
  state: (word) => waitForState(page, word, 15_000),
  hangUp: () => hangUp(page),
}

for await (const line of createInterface({ input: process.stdin })) {
  const [deed, ...told] = JSON.parse(line)
  try {
    await deeds[deed](...told)
    console.log('> done')
  } catch (error) {
    if (config.shots) await page.screenshot({ path: join(config.shots, `agent-failed-${deed}.png`) })
    console.log(`> not ${deed}: ${String(error).split('\n').slice(0, 3).join(' ')}`)
  }
}
await close()
