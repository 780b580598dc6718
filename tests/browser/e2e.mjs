// The whole road in Chromium against a running Hotseat: log in, pick a phone, be in; a second browser takes over and the
// first is told; log out. Each step is exported, so that a test with real phones can put its own between them.
//
// HOTSEAT_E2E='{"base":"https://127.0.0.1:8443","username":"ann","password":"…","phones":["desk-17","desk-18"]}' node e2e.mjs
//   phones       two phones that are registered and free
//   sentence     what a refused password must say, if it matters
//   shots        a folder for screenshots

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch, person, report, watchConsole } from './browser.mjs'

export const ALREADY_LOGGED = 'User already logged. Do you want to continue?'
export const TAKEN_OVER = 'Another user has logged with your credentials. Multiple logins not allowed.'
export const CONNECTION_LOST =
  'WARNING Experiencing network connectivity issues. Please check your internet connection.'

/** A browser context of its own with one page; everything has this long to happen. */
export async function openPage(browser, options = {}) {
  const context = await person(browser, { viewport: { width: 1280, height: 800 }, ...options })
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  return { context, page, complaints: watchConsole(page) }
}

/** Types name and password at the login page and sends them. */
export async function enterCredentials(page, { base, username, password }) {
  await page.goto(new URL('/login', base).href)
  await page.getByLabel('Agent Username').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Login' }).click()
}

/** What came of it: 'question', 'phones', 'in' or the sentence of the refusal. */
export async function outcome(page) {
  const refusal = page.locator('.message-error, .message-info')
  const question = page.getByRole('alertdialog', { name: ALREADY_LOGGED })
  const phones = page.getByRole('combobox', { name: 'Telephone' })
  const desk = page.getByRole('button', { name: 'Log out' })
  // A message that says what is being done goes by itself; a refusal stays.
  for (;;) {
    await question.or(phones).or(desk).or(refusal).first().waitFor()
    if (await question.isVisible()) return 'question'
    if (await desk.isVisible()) return 'in'
    if (await phones.isVisible()) return 'phones'
    const said = await refusal.first().innerText({ timeout: 200 }).catch(() => undefined)
    if (said !== undefined) return said
  }
}

/** Answers the question of an earlier login; gives back what it said. */
export async function answerQuestion(page, yes) {
  const question = page.getByRole('alertdialog', { name: ALREADY_LOGGED })
  await question.waitFor()
  const said = await question.innerText()
  await question.getByRole('button', { name: yes ? 'Continue' : 'Cancel' }).click()
  await question.waitFor({ state: 'detached' })
  return said
}

/** The row of a phone in the list, found by its name as a person would find it. */
export async function findPhone(page, phone) {
  await page.getByRole('combobox', { name: 'Telephone' }).fill(phone)
  const row = page.getByRole('option').filter({ hasText: phone }).first()
  await row.waitFor()
  return row
}

/** Waits until the list shows a phone as one that can, or cannot, be had. */
export async function waitForPhone(page, phone, available, ms = 10_000) {
  await findPhone(page, phone)
  await page.waitForFunction(
    ([name, free]) => [...document.querySelectorAll('[role=option]')].some((row) =>
      row.textContent.includes(name) && (row.getAttribute('aria-disabled') !== 'true') === free),
    [phone, available],
    { timeout: ms },
  )
}

/** Chooses a phone and sends the choice. */
export async function pickPhone(page, phone) {
  await waitForPhone(page, phone, true)
  const row = await findPhone(page, phone)
  await row.click()
  assert.equal(await row.getAttribute('aria-selected'), 'true', `${phone} is chosen`)
  await page.getByRole('button', { name: 'Login' }).click()
}

/** In: the desktop is there and its state word can be read. */
export async function waitUntilIn(page) {
  await page.getByRole('button', { name: 'Log out' }).waitFor()
  return (await page.locator('.pill').innerText()).trim()
}

/** From the address to the desktop, answering yes to every question. Gives back what the question said, if it came. */
export async function logIn(page, { base, username, password, phone }) {
  await enterCredentials(page, { base, username, password })
  let said = null
  let came = await outcome(page)
  if (came === 'question') {
    said = await answerQuestion(page, true)
    came = await outcome(page)
  }
  if (came === 'phones') {
    await pickPhone(page, phone)
    // The question may also come here, when somebody logged in meanwhile.
    const question = page.getByRole('alertdialog', { name: ALREADY_LOGGED })
    await question.or(page.getByRole('button', { name: 'Log out' })).first().waitFor()
    if (await question.isVisible()) said = await answerQuestion(page, true)
  } else assert.equal(came, 'in')
  await waitUntilIn(page)
  return said
}

/** The state word of the desktop: Ready, Ringing, In call, Not ready. */
export async function waitForState(page, word, ms = 10_000) {
  await page.locator('.pill', { hasText: word }).waitFor({ timeout: ms })
}

/** The page of a login that was taken over. Gives back what it says. */
export async function waitUntilThrownOut(page, ms = 10_000) {
  await page.getByRole('heading', { name: TAKEN_OVER }).waitFor({ timeout: ms })
  return page.locator('main').innerText()
}

/** Out by the button; also when the page asks because of a call. */
export async function logOut(page) {
  await page.getByRole('button', { name: 'Log out' }).click()
  const sure = page.getByRole('alertdialog').getByRole('button', { name: 'Log out' })
  const out = page.getByText('You are logged out.')
  await sure.or(out).first().waitFor()
  if (await sure.isVisible()) await sure.click()
  await out.waitFor()
}

/** What the API says from inside a page, with its cookie. */
export async function ask(page, path) {
  return page.evaluate(async (to) => {
    const response = await fetch(to, { cache: 'no-store' })
    return { status: response.status, body: await response.json().catch(() => null) }
  }, path)
}

async function main() {
  const config = JSON.parse(process.env.HOTSEAT_E2E ?? '{}')
  const { base, username, password, phones } = config
  if (!base || !username || !password || !Array.isArray(phones) || phones.length < 2) {
    console.error('HOTSEAT_E2E must be JSON with base, username, password and two phones; see the top of this file.')
    return 2
  }
  const [first, second] = phones
  if (config.shots) mkdirSync(config.shots, { recursive: true })
  const shoot = async (page, name) => config.shots && page.screenshot({ path: join(config.shots, `${name}.png`) })
  const out = report()
  const browser = await launch()
  const one = await openPage(browser)
  const two = await openPage(browser)
  try {
    await out.test('without a session every address leads to the login, and comes back after it', async () => {
      await one.page.goto(new URL('/?from=e2e', base).href)
      await one.page.getByLabel('Agent Username').waitFor()
      assert.equal(new URL(one.page.url()).pathname, '/login')
      assert.equal((await ask(one.page, '/api/me')).body.reason, 'no_session')
    })
    await out.test('a wrong password and a wrong name get the same sentence', async () => {
      await enterCredentials(one.page, { base, username, password: `${password}x` })
      const wrongPassword = await outcome(one.page)
      await enterCredentials(one.page, { base, username: `nobody-${Date.now()}`, password })
      assert.equal(await outcome(one.page), wrongPassword)
      if (config.sentence) assert.equal(wrongPassword, config.sentence)
      await shoot(one.page, 'wrong')
    })
    await out.test(`${username} logs in, picks ${first}, is in`, async () => {
      const said = await logIn(one.page, { base, username, password, phone: first })
      assert.equal(said, null, 'nobody was logged in before')
      const me = await ask(one.page, '/api/me')
      assert.equal(me.status, 200)
      assert.equal(me.body.phone.name, first)
      await waitForState(one.page, 'Ready')
      await shoot(one.page, 'desk')
    })
    await out.test('a reload stays in, a second tab of the same browser is in too', async () => {
      await one.page.reload()
      await waitUntilIn(one.page)
      const tab = await one.context.newPage()
      await tab.goto(new URL('/', base).href)
      await waitUntilIn(tab)
      await tab.close()
    })
    await out.test('a second browser is asked, says no, and nothing changes', async () => {
      await enterCredentials(two.page, { base, username, password })
      assert.equal(await outcome(two.page), 'question')
      await shoot(two.page, 'question')
      const said = await answerQuestion(two.page, false)
      assert.ok(said.includes(first), `the question says where: ${said}`)
      assert.equal((await ask(one.page, '/api/me')).body.phone.name, first)
      await waitForState(one.page, 'Ready')
    })
    await out.test(`it says yes and picks ${second}; the first page is told when and from where`, async () => {
      await enterCredentials(two.page, { base, username, password })
      assert.equal(await outcome(two.page), 'question')
      await answerQuestion(two.page, true)
      const began = Date.now()
      await pickPhone(two.page, second)
      const said = await waitUntilThrownOut(one.page)
      console.log(`#   chosen, bound, and the first page thrown out: ${Date.now() - began} ms`)
      assert.match(said, /When[\s\S]*\d\d:\d\d[\s\S]*From/)
      await waitUntilIn(two.page)
      await shoot(one.page, 'thrown-out')
      assert.equal((await ask(two.page, '/api/me')).body.phone.name, second)
    })
    await out.test('the old cookie is worth nothing, also after a reload', async () => {
      const me = await ask(one.page, '/api/me')
      assert.equal(me.status, 401)
      assert.equal(me.body.reason, 'login_ended')
      assert.equal(me.body.why, 'taken_over')
      assert.equal((await ask(one.page, '/api/phones')).status, 401)
      await one.page.reload()
      await waitUntilThrownOut(one.page)
    })
    await out.test('log out: the phone is free at once for the next', async () => {
      await logOut(two.page)
      assert.equal((await ask(two.page, '/api/me')).body.reason, 'no_session')
      await one.page.getByRole('button', { name: 'Log in again' }).click()
      await enterCredentials(one.page, { base, username, password })
      assert.equal(await outcome(one.page), 'phones')
      await waitForPhone(one.page, second, true)
      await shoot(one.page, 'picker')
    })
    await out.test('the consoles were quiet', async () => {
      const real = [...one.complaints, ...two.complaints].filter((line) => !/WebSocket connection to/.test(line))
      assert.deepEqual(real, [])
    })
  } finally {
    await browser.close()
  }
  return out.end()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await main())
