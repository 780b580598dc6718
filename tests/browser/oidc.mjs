// The way in by a provider, in Chromium: login and consent there, the phone choice here; and whoever it must not let in.
//
// HOTSEAT_E2E='{"base":"https://…","provider":1234,"key":"…","cert":"…"}' node oidc.mjs
//   ann is an agent of the provider's way with the address ann@example.com; hosted_domain is example.com.

import assert from 'node:assert/strict'
import { request as https } from 'node:https'
import { launch, person, report } from './browser.mjs'
import { serve } from './oidcprovider.mjs'

const told = JSON.parse(process.env.HOTSEAT_E2E)
const { base } = told
const provider = `https://127.0.0.1:${told.provider}`
const server = await serve({ port: told.provider, key: told.key, cert: told.cert, redirect: `${base}/api/login/oidc/back` })
const browser = await launch()
const { test, end } = report()

/** Goes to the provider as this person and back; the page that comes of it, and the address the provider sent us to. */
async function comesAs(who, next = '/') {
  const context = await person(browser)
  context.setDefaultTimeout(15_000)
  const page = await context.newPage()
  let back
  let refused = null
  page.on('request', (request) => {
    if (request.url().startsWith(`${base}/api/login/oidc/back`)) back = request.url()
    if (request.url().startsWith(`${base}/login`)) refused = new URL(request.url()).searchParams.get('refused')
  })
  await page.goto(`${base}/api/login/oidc?next=${encodeURIComponent(next)}`)
  await page.locator('input[name=login]').fill(who)
  await page.locator('input[name=password]').fill('any')
  await page.locator('button[type=submit]').click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.waitForURL((url) => url.href.startsWith(`${base}/`) && !url.pathname.startsWith('/api/'))
  return { context, page, back, refused, me: () => page.evaluate(async () => (await fetch('/api/me')).json()) }
}

const refusedWith = async (visit) => new URL(await visit).searchParams.get('refused')

/** Where a plain GET of ours sends the browser, with this browser's cookies. */
async function sentTo(context, url) {
  const answer = await context.request.get(url, { maxRedirects: 0 })
  return answer.headers().location
}

await test('ann logs in at the provider and chooses a phone like anyone else', async () => {
  const { context, me, back } = await comesAs('ann')
  const mine = await me()
  assert.equal(mine.state, 'choose_phone', JSON.stringify(mine))
  assert.equal(mine.agent.name, 'ann')
  assert.match(back, /[?&]iss=/)
  assert.equal(await refusedWith(`${base}${await sentTo(context, back)}`), 'oidc_expired', 'the same code and state again')
  await context.close()
})

await test('after another key was taken, ann still comes in', async () => {
  // Keys are looked at again at most every ten seconds.
  await new Promise((resolve) => setTimeout(resolve, 11_000))
  await new Promise((resolve, reject) => {
    https(`${provider}/test/rotate`, { method: 'POST', rejectUnauthorized: false }, (answer) => { answer.resume(); resolve() }).on('error', reject).end()
  })
  const { context, me } = await comesAs('ann')
  assert.equal((await me()).state, 'choose_phone')
  await context.close()
})

for (const [who, why] of [
  ['unverified', 'oidc_unverified'],
  ['stranger', 'oidc_unknown'],
  ['elsewhere', 'oidc_other_domain'],
  // The same verified address, but another person at the provider: the identity is bound.
  ['twin', 'oidc_unknown'],
]) {
  await test(`${who} is refused with ${why}`, async () => {
    const { context, me, refused } = await comesAs(who)
    assert.equal(refused, why)
    assert.equal((await me()).reason, 'no_session')
    await context.close()
  })
}

/** Begins a login in this browser; the address to come back to with the state that was given. */
async function begins(context, more = {}) {
  const state = new URL(await sentTo(context, `${base}/api/login/oidc`)).searchParams.get('state')
  const back = new URL(`${base}/api/login/oidc/back`)
  for (const [name, value] of Object.entries({ state, code: 'made-up', iss: provider, ...more })) {
    if (value !== null) back.searchParams.set(name, value)
  }
  return back.href
}

await test('a way back that another browser began, or that nobody gave, leads nowhere', async () => {
  const [mine, stranger] = [await person(browser), await person(browser)]
  const comes = async (context, back) => refusedWith(`${base}${await sentTo(context, back)}`)
  const back = await begins(mine)
  assert.equal(await comes(stranger, back), 'oidc_expired')
  assert.equal(await comes(mine, back), 'oidc_expired', 'and it is used up')
  assert.equal(await comes(mine, await begins(mine)), 'oidc_refused', 'a code that was made up')
  assert.equal(await comes(mine, await begins(mine, { iss: 'https://evil.example' })), 'oidc_refused', 'RFC 9207')
  assert.equal(await comes(mine, await begins(mine, { iss: null })), 'oidc_refused', 'RFC 9207: it was promised')
  assert.equal(await comes(mine, await begins(mine, { state: 'another' })), 'oidc_expired')
  assert.equal(await comes(mine, await begins(mine, { code: null, error: 'access_denied' })), 'oidc_denied')
  await Promise.all([mine.close(), stranger.close()])
})

await browser.close()
server.close()
server.closeAllConnections()
process.exitCode = end()
