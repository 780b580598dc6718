// Softphones of others against a running Hotseat: they register over WSS with a name and a secret, come back by themselves when
// their connection was cut, and are refused with a wrong secret.
//
// HOTSEAT_E2E='{"ws":"wss://127.0.0.1:8443/sip","domain":"hotseat.test","phones":[["soft-1","SECRET"],["soft-2","SECRET"]]}' node thirdparty.mjs

import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { launch, person, report } from './browser.mjs'
import { open, serve, until } from './softphone.mjs'

const { ws, domain, phones } = JSON.parse(process.env.HOTSEAT_E2E)
const turns = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Says how far the pages are and waits until the other side has looked. */
async function turn(word) {
  console.log(`> ${word}`)
  const { done } = await turns.next()
  assert.ok(!done, 'the other side went away')
}

const site = await serve()
const browser = await launch()
const out = report()
try {
  for (const [i, kind] of ['jssip', 'sipjs'].entries()) {
    const [user, secret] = phones[i]
    await out.test(`${kind} registers, and is gone when it says so`, async () => {
      const page = await open(await person(browser), site.url)
      await page.evaluate(([kind, account]) => phone.start(kind, account), [kind, { ws, domain, user, secret }])
      await until(page, 'registered')
      await turn(`${kind} registered`)
      await page.evaluate(() => phone.stop())
      await turn(`${kind} gone`)
    })
    await out.test(`${kind} with a wrong secret is refused`, async () => {
      const page = await open(await person(browser), site.url)
      await page.evaluate(([kind, account]) => phone.start(kind, account), [kind, { ws, domain, user, secret: 'wrong' }])
      await until(page, 'refused')
      const said = await page.evaluate(() => phone.events.map(([what]) => what))
      assert.ok(!said.includes('registered'), said.join())
    })
  }
  await out.test('a JsSIP whose connection was cut comes back by itself', async () => {
    const [user, secret] = phones[0]
    const context = await person(browser)
    const page = await context.newPage()
    // The page speaks through us, so that we can be the cable that is pulled.
    let cable
    await page.routeWebSocket(ws, (route) => {
      cable = route
      route.connectToServer()
    })
    await page.goto(site.url)
    await page.waitForFunction(() => globalThis.phone)
    await page.evaluate(([kind, account]) => phone.start(kind, account), ['jssip', { ws, domain, user, secret }])
    await until(page, 'registered')
    await cable.close({ code: 4001 })
    await until(page, 'disconnected')
    await until(page, 'registered', 2)
    await turn('back')
  })
} finally {
  await browser.close()
  site.close()
}
process.exit(out.end())
