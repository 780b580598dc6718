// Every state of the pages, looked at: in light and dark, in three widths, with axe, with the keyboard alone.
// A state is reached once; then the same page is shown in each theme and width. Screenshots go to the folder named by
// SHOTS. ONLY=word runs what has the word in its name.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { launch, person, report, watchConsole } from './browser.mjs'
import { barStates, barScenes } from './bar.mjs'
import { ann, phone, startMock } from './mock.mjs'
import { waysScenes, waysStates } from './ways.mjs'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const shots = process.env.SHOTS
if (shots) mkdirSync(shots, { recursive: true })
const only = process.env.ONLY ?? ''
const widths = [1280, 768, 320]
const themes = ['light', 'dark']

const minute = 60_000
const longName = 'Anastasia-Wilhelmina von Hohenstein-Oberkirchen'
const held = () => ({
  epoch: 7, device: { name: 'desk-17', label: 'Desk 17' }, activity: 'in_call',
  activity_since: Date.now() - 252_000, since: Date.now() - 95 * minute, from: '10.0.0.5', takeover: 'end',
})

async function logIn(page, mock, path = '/login') {
  await page.goto(mock.url + path)
  await page.getByLabel('Agent Username').fill('ann')
  await page.getByLabel('Password', { exact: true }).fill('right')
  await page.getByRole('button', { name: 'Login' }).click()
}
const search = (page) => page.getByRole('combobox', { name: 'Telephone' })
const option = (page, name) => page.getByRole('option', { name })
async function atPicker(page, mock) {
  await logIn(page, mock)
  await search(page).waitFor()
  await page.waitForFunction(() => document.querySelector('[role=listbox]')?.getAttribute('aria-busy') === 'false')
}
async function atDesk(page, mock) {
  await atPicker(page, mock)
  await option(page, 'Desk 14').click()
  await page.getByRole('button', { name: 'Login' }).click()
  await page.getByRole('button', { name: 'Log out' }).waitFor()
  await until(() => mock.listeners() === 1, 'the desk listens')
}
async function until(check, what, ms = 3_000) {
  const end = Date.now() + ms
  while (!(await check())) {
    assert.ok(Date.now() < end, `in time: ${what}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** What a person may find on the screen: a name, the world it happens in, the way there. */
const states = [
  ['login', {}, async (page, mock) => { await page.goto(`${mock.url}/login`); await page.getByLabel('Agent Username').waitFor() }],
  ['login-wrong', {}, async (page, mock) => {
    await page.goto(`${mock.url}/login`)
    await page.getByLabel('Agent Username').fill('ann')
    await page.getByLabel('Password', { exact: true }).fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('The username or the password is not right.').waitFor()
  }],
  ['login-too-many', { login: { status: 429, body: { reason: 'too_many_attempts', sentence: 'There were too many attempts.', retry_after_s: 240 } } },
    async (page, mock) => { await logIn(page, mock); await page.getByText('Please wait 4 minutes.').waitFor() }],
  ['login-browser-agent', {
    agent: { ...ann, typology: 'webrtc' },
    sitDown: () => ({ status: 422, body: { reason: 'browser_calls_unavailable', sentence: 'Your account takes calls in the browser, which is not available here yet. Please ask an administrator.' } }),
  }, async (page, mock) => { await logIn(page, mock); await page.getByText('takes calls in the browser').waitFor() }],
  ['picker', { last_phone: 'desk-14' }, atPicker],
  ['picker-search', {}, async (page, mock) => { await atPicker(page, mock); await search(page).fill('zurich'); await option(page, 'desk-04').waitFor() }],
  ['picker-no-match', {}, async (page, mock) => { await atPicker(page, mock); await search(page).fill('basement'); await page.getByText('No telephone matches.').waitFor() }],
  ['picker-empty', { phones: [] }, async (page, mock) => { await atPicker(page, mock); await page.getByText('No telephone is set up yet.').waitFor() }],
  ['picker-none-free', { phones: Array.from({ length: 30 }, (_, i) => phone(i, { state: 'in_use', by: longName, since: Date.now() - i * minute })) },
    async (page, mock) => { await atPicker(page, mock); await page.getByText('No telephone is free right now.').waitFor() }],
  ['picker-loading', {}, async (page, mock) => {
    await page.goto(`${mock.url}/login`)
    await page.getByLabel('Agent Username').fill('ann')
    await page.getByLabel('Password', { exact: true }).fill('right')
    await page.route('**/api/phones', () => {})
    await page.routeWebSocket('**/api/events*', () => {})
    await page.keyboard.press('Enter')
    await page.getByText('Looking for telephones').waitFor()
  }],
  ['picker-long-names', {
    agent: { ...ann, display_name: longName },
    last_phone: 'desk-long-1',
    phones: [
      phone(1, { name: 'desk-long-1', label: `${longName}’s telephone in the corner office beside the window`, site: 'Llanfairpwllgwyngyll', floor: 'Mezzanine above the second underground level' }),
      phone(2, { name: 'desk-long-2', label: `Telephone of ${longName}`, state: 'in_use', by: longName, since: Date.now() - 3000 * minute }),
    ],
  }, atPicker],
  ['picker-taken', { last_phone: 'desk-14' }, async (page, mock) => {
    await atPicker(page, mock)
    await until(() => mock.listeners() === 1, 'the picker listens')
    mock.change('desk-14', { state: 'in_use', by: 'Bruno Rossi', since: Date.now() })
    await page.getByText('Desk 14 was just taken by Bruno Rossi.').waitFor()
  }],
  ['takeover', () => ({ held: held() }), async (page, mock) => { await logIn(page, mock); await page.getByRole('alertdialog').waitFor() }],
  ['takeover-refused', () => ({ held: { ...held(), takeover: 'refuse' } }), async (page, mock) => { await logIn(page, mock); await page.getByText('While this call is up nobody can take over this login.').waitFor() }],
  ['cookies', { dropCookies: true }, async (page, mock) => { await logIn(page, mock); await page.getByRole('alertdialog').waitFor() }],
  ['desk', { last_phone: 'desk-14' }, atDesk],
  ['desk-ringing', {}, async (page, mock) => {
    await atDesk(page, mock)
    mock.push({ type: 'activity', activity: 'ringing', peer: '+49 69 1234567', since: Date.now() - 3_000 })
    await page.getByRole('heading', { name: '+49 69 1234567' }).waitFor()
  }],
  ['desk-in-call', {}, async (page, mock) => {
    await atDesk(page, mock)
    mock.push({ type: 'activity', activity: 'in_call', peer: '+39 02 5550101', since: Date.now() - 400_000 })
    mock.push({ type: 'activity', activity: 'idle', peer: null, since: Date.now() - 270_000 })
    mock.push({ type: 'activity', activity: 'ringing', peer: '+49 69 1234567', since: Date.now() - 260_000 })
    mock.push({ type: 'activity', activity: 'in_call', peer: '+49 69 1234567', since: Date.now() - 252_000 })
    await page.getByText('In a call with').waitFor()
  }],
  ['desk-unreachable', {}, async (page, mock) => {
    await atDesk(page, mock)
    mock.push({ type: 'phone_unreachable' })
    await page.getByText('cannot be reached').waitFor()
  }],
  ['desk-connection-lost', {}, async (page, mock) => {
    await atDesk(page, mock)
    mock.cut()
    await page.getByText('WARNING Experiencing network connectivity issues. Please check your internet connection.').waitFor({ timeout: 5_000 })
  }],
  ['desk-long-names', {
    agent: { ...ann, display_name: longName },
    phones: [phone(14, { label: `Desk 14 of ${longName} near the window` })],
  }, atDesk],
  ['desk-log-out-in-call', {}, async (page, mock) => {
    await atDesk(page, mock)
    mock.push({ type: 'activity', activity: 'in_call', peer: '+49 69 1234567', since: Date.now() })
    await page.getByText('In a call with').waitFor()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('alertdialog').waitFor()
  }],
  ['forced-out', {}, async (page, mock) => {
    await atDesk(page, mock)
    mock.push({ type: 'login_ended', why: 'taken_over', sentence: 'Another user has logged with your credentials. Multiple logins not allowed.', at: Date.now(), from: '10.0.0.99' })
    await page.getByRole('button', { name: 'Log in again' }).waitFor()
  }],
  ['released', { me: { status: 401, body: { reason: 'login_ended', sentence: 'An administrator ended your login.', why: 'released_by_administrator', at: Date.now(), from: null } } },
    async (page, mock) => { await page.goto(`${mock.url}/`); await page.getByText('An administrator ended your login.').waitFor() }],
  ['logged-out', {}, async (page, mock) => { await page.goto(`${mock.url}/logged-out`); await page.getByText('You are logged out.').waitFor() }],
  ['help', {}, async (page, mock) => { await page.goto(`${mock.url}/help`); await page.getByRole('heading', { name: 'Help with sign-in' }).waitFor() }],
  ['unknown', { session: 'in', seat: phone(14) }, async (page, mock) => {
    await page.context().addCookies([{ name: 'hotseat', value: 'mock', url: mock.url }])
    await page.goto(`${mock.url}/nowhere/at/all`)
    await page.getByText('There is nothing at this address.').waitFor()
  }],
]

/** axe on the page as it is; while a dialog is open, what it hides may hold focusable things (measured, known). */
async function axe(page) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axeSource)
  const found = await page.evaluate(async () => {
    const rules = document.querySelector('[role=alertdialog], [role=dialog]') ? { 'aria-hidden-focus': { enabled: false } } : {}
    const { violations } = await globalThis.axe.run(document, { rules, resultTypes: ['violations'] })
    return violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join(' | ')}`)
  })
  assert.deepEqual(found, [], 'axe finds nothing')
}

async function nothingOverflows(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  assert.ok(wide <= 0, `the page is ${wide} px wider than the window`)
}

/** Nothing is on its way any more: two frames drawn, every animation that has an end at its end. */
async function atRest(page) {
  await page.evaluate(async () => {
    for (let i = 0; i < 2; i += 1) await new Promise((drawn) => requestAnimationFrame(drawn))
    const ending = document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity)
    await Promise.race([Promise.allSettled(ending.map((a) => a.finished)), new Promise((late) => setTimeout(late, 1_000))])
  })
}

const out = report()
const browser = await launch()

/** Runs `body` with a world and a page of its own, and looks at the console afterwards. */
async function scene(name, scenario, options, body) {
  if (only && !name.includes(only)) return
  await out.test(name, async () => {
    const mock = await startMock(typeof scenario === 'function' ? scenario() : scenario)
    const context = await person(browser, { viewport: { width: 1280, height: 800 }, ...options })
    context.setDefaultTimeout(8_000)
    const page = await context.newPage()
    const complaints = watchConsole(page)
    try {
      await body(page, mock, context)
      const real = complaints.filter((line) => !/WebSocket connection to/.test(line))
      assert.deepEqual(real, [], 'the console is quiet')
    } finally {
      await context.close()
      await mock.close()
    }
  })
}

for (const [name, scenario, drive, options] of [...states, ...waysStates, ...barStates]) {
  await scene(name, scenario, { reducedMotion: 'reduce', ...options }, async (page, mock, context) => {
    await drive(page, mock, context)
    const wrong = []
    for (const width of widths) {
      await page.setViewportSize({ width, height: width === 320 ? 700 : 800 })
      for (const theme of themes) {
        await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
        await atRest(page)
        if (shots) await page.screenshot({ path: join(shots, `${name}-${theme}-${width}.png`), animations: 'disabled' })
        try {
          await nothingOverflows(page)
          await axe(page)
        } catch (error) {
          wrong.push(`${theme} ${width}: ${error.message}`)
        }
      }
    }
    assert.deepEqual(wrong, [])
  })
}

await waysScenes(scene)
await barScenes(scene, browser)

await scene('the keyboard alone is enough, from the address to the desk and out', {}, {}, async (page, mock) => {
  await page.goto(`${mock.url}/`)
  await page.getByLabel('Agent Username').waitFor()
  await page.keyboard.type('ann')
  await page.keyboard.press('Tab')
  await page.keyboard.type('right')
  await page.keyboard.press('Enter')
  await search(page).waitFor()
  await option(page, 'Desk 10').waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  assert.equal(await activeName(page), 'Desk 11')
  await page.keyboard.press('Enter')
  assert.equal(await option(page, 'Desk 11').getAttribute('aria-selected'), 'true')
  // A phone that is not free can be reached and read, and is not chosen.
  await page.keyboard.press('End')
  await page.keyboard.press('Enter')
  await page.getByText('desk-04: never connected. Please choose one that is free.').waitFor()
  await page.keyboard.press('Home')
  assert.equal(await option(page, 'Desk 11').getAttribute('aria-selected'), 'true')
  await page.keyboard.type('12')
  await page.keyboard.press('Enter')
  assert.equal(await option(page, 'Desk 12').getAttribute('aria-selected'), 'true')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Log out' }).waitFor()
  assert.equal(mock.state.requests.find((r) => r.door === 'POST /api/login/device').body.phone, 'desk-12')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByText('You are logged out.').waitFor()
})

async function activeName(page) {
  return page.evaluate(() => {
    const id = document.querySelector('[role=combobox]').getAttribute('aria-activedescendant')
    return document.getElementById(id)?.querySelector('.phone-name')?.textContent ?? null
  })
}

await scene('the takeover question is answered no by Escape and by its focused button, and nothing is sent', () => ({ held: held() }), {}, async (page, mock) => {
  await logIn(page, mock)
  const dialog = page.getByRole('alertdialog', { name: 'User already logged. Do you want to continue?' })
  await dialog.waitFor()
  assert.match(await dialog.innerText(), /Desk 17 \(desk-17\)[\s\S]*In a call 04:1\d[\s\S]*10\.0\.0\.5/)
  const first = await dialog.getByRole('timer').innerText()
  await until(async () => (await dialog.getByRole('timer').innerText()) !== first, 'the timer runs')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel')
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  await page.getByText('Nothing was changed.').waitFor()
  assert.equal(mock.state.requests.some((r) => r.door === 'POST /api/login/device'), false)
  assert.equal(await page.getByLabel('Agent Username').inputValue(), 'ann')
})

await scene('yes goes on to the phones and carries the epoch of the question', () => ({ held: held() }), {}, async (page, mock) => {
  await logIn(page, mock)
  await page.getByRole('button', { name: 'Continue' }).click()
  await option(page, 'Desk 14').click()
  await page.getByRole('button', { name: 'Login' }).click()
  await page.getByRole('button', { name: 'Log out' }).waitFor()
  const sent = mock.state.requests.find((r) => r.door === 'POST /api/login/device')
  assert.deepEqual(sent.body, { phone: 'desk-14', take_over_epoch: 7 })
  assert.equal(sent.csrf, 'word')
})

await scene('someone else got in first: asked again with the new epoch, and yes sends the same phone', {
  sitDown: (body) => body.take_over_epoch === 9 ? null
    : { status: 409, body: { reason: 'already_logged_in', sentence: 'User already logged. Do you want to continue?', held: { ...held(), epoch: 9, activity: 'idle' } } },
}, {}, async (page, mock) => {
  await atPicker(page, mock)
  await option(page, 'Desk 14').click()
  await page.getByRole('button', { name: 'Login' }).click()
  await page.getByRole('alertdialog').waitFor()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('button', { name: 'Log out' }).waitFor()
  const sent = mock.state.requests.filter((r) => r.door === 'POST /api/login/device').map((r) => r.body)
  assert.deepEqual(sent, [{ phone: 'desk-14', take_over_epoch: null }, { phone: 'desk-14', take_over_epoch: 9 }])
})

await scene('a phone taken between list and click: told, list fresh, nothing typed again', {}, {}, async (page, mock) => {
  await atPicker(page, mock)
  await option(page, 'Desk 14').click()
  // Taken, and the news has not arrived.
  mock.state.phones = mock.state.phones.map((each) => each.name === 'desk-14' ? { ...each, state: 'in_use', by: 'Bruno Rossi', since: Date.now() } : each)
  await page.getByRole('button', { name: 'Login' }).click()
  await page.getByText('Someone else has just taken that phone.').waitFor()
  await until(async () => /In use/.test(await option(page, 'Desk 14').innerText()), 'the row says so')
  assert.equal(await option(page, 'Desk 14').getAttribute('aria-disabled'), 'true')
  await option(page, 'Desk 15').click()
  await page.getByRole('button', { name: 'Login' }).click()
  await page.getByRole('button', { name: 'Log out' }).waitFor()
})

await scene('the list is live: a change is on screen within 200 ms, in its place, without a shift', {}, {}, async (page, mock) => {
  await atPicker(page, mock)
  await until(() => mock.listeners() === 1, 'the picker listens')
  const before = await option(page, 'Desk 15').boundingBox()
  await page.evaluate(() => {
    globalThis.shift = 0
    new PerformanceObserver((list) => { for (const e of list.getEntries()) globalThis.shift += e.value }).observe({ type: 'layout-shift', buffered: false })
    const row = [...document.querySelectorAll('[role=option]')].find((each) => each.textContent.startsWith('Desk 15'))
    globalThis.changedAt = new Promise((done) => new MutationObserver(() => { if (/In use/.test(row.textContent)) done(Date.now()) }).observe(row, { subtree: true, childList: true, characterData: true }))
  })
  const told = Date.now()
  mock.change('desk-15', { state: 'in_use', by: 'Bruno Rossi', since: Date.now() })
  const seen = (await page.evaluate(() => globalThis.changedAt)) - told
  assert.ok(seen < 200, `${seen} ms`)
  assert.deepEqual(await option(page, 'Desk 15').boundingBox(), before)
  mock.change('desk-03', { state: 'free', since: Date.now() })
  await page.getByText('12 available').waitFor()
  // The words at the right edge change their width, and nothing else moves (0.1 is what counts as good).
  assert.ok((await page.evaluate(() => globalThis.shift)) < 0.002)
})

await scene('five thousand phones: few rows in the document, a search answers at once', {
  phones: Array.from({ length: 5_000 }, (_, i) => phone(i, i % 3 === 0 ? { state: 'in_use', by: 'Bruno Rossi', since: Date.now() } : {})),
}, {}, async (page, mock) => {
  await atPicker(page, mock)
  assert.ok((await page.getByRole('option').count()) < 40)
  await page.getByRole('button', { name: /Show not available \(1667\)/ }).waitFor()
  const ms = await page.evaluate(async () => {
    const input = document.querySelector('[role=combobox]')
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set
    const times = []
    for (const text of ['4', '49', '499', '4998', '499', '49', '4', '']) {
      const began = performance.now()
      set.call(input, text)
      input.dispatchEvent(new Event('input', { bubbles: true }))
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
      times.push(performance.now() - began)
    }
    return times.sort((a, b) => a - b)[4]
  })
  console.log(`#   a keystroke with 5,000 phones, next frame included: ${ms.toFixed(1)} ms (median)`)
  await page.keyboard.press('End')
  assert.equal(await activeName(page), 'Desk 4999')
  await search(page).fill('desk-4997')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Log out' }).waitFor()
  assert.equal(mock.state.seat.name, 'desk-4997')
})

await scene('a deep link without a session comes back after the login, a foreign one does not', {}, {}, async (page, mock) => {
  await page.goto(`${mock.url}/some/where?x=1`)
  await page.getByLabel('Agent Username').waitFor()
  assert.equal(new URL(page.url()).search, '?next=%2Fsome%2Fwhere%3Fx%3D1')
  await page.getByLabel('Agent Username').fill('ann')
  await page.getByLabel('Password', { exact: true }).fill('right')
  await page.keyboard.press('Enter')
  await option(page, 'Desk 14').click()
  await page.getByRole('button', { name: 'Login' }).click()
  await page.waitForURL(`${mock.url}/some/where?x=1`)
  for (const foreign of ['//evil.example/x', '/\\evil.example', 'https://evil.example', '/%09/evil.example', 'javascript:alert(1)']) {
    await page.goto(`${mock.url}/login?next=${encodeURIComponent(foreign)}`)
    await until(() => new URL(page.url()).pathname !== '/login', foreign)
    assert.equal(new URL(page.url()).origin, mock.url, foreign)
  }
})

await scene('a reload in the middle of choosing goes on choosing', {}, {}, async (page, mock) => {
  await atPicker(page, mock)
  await page.reload()
  await option(page, 'Desk 14').waitFor()
  assert.ok((await page.getByText('Not Ann Miller?').count()) === 1)
})

await scene('the connection is lost and comes back: banner, then none, and what was missed is there', {}, {}, async (page, mock) => {
  await atDesk(page, mock)
  const banner = page.getByText('WARNING Experiencing network connectivity issues. Please check your internet connection.')
  mock.cut()
  await banner.waitFor({ timeout: 5_000 })
  mock.state.activity = { activity: 'in_call', peer: '+49 69 1234567', since: Date.now() }
  mock.heal()
  await banner.waitFor({ state: 'detached', timeout: 12_000 })
  await page.getByText('In a call with').waitFor()
})

await scene('taken over while the page was cut off: it learns it when it asks', {}, {}, async (page, mock) => {
  await atDesk(page, mock)
  mock.state.me = { status: 401, body: { reason: 'login_ended', sentence: 'Another user has logged with your credentials. Multiple logins not allowed.', why: 'taken_over', at: Date.now(), from: '10.0.0.99' } }
  mock.cut()
  await page.getByRole('heading', { name: 'Another user has logged with your credentials. Multiple logins not allowed.' }).waitFor()
  await page.getByText('10.0.0.99').waitFor()
  mock.state.me = null
  await page.getByRole('button', { name: 'Log in again' }).click()
  await page.getByLabel('Agent Username').waitFor()
})

await scene('nothing moves when an error comes', {}, {}, async (page, mock) => {
  await page.goto(`${mock.url}/login`)
  const button = page.getByRole('button', { name: 'Login' })
  await button.waitFor()
  const before = await button.boundingBox()
  await page.getByLabel('Agent Username').fill('ann')
  await page.getByLabel('Password', { exact: true }).fill('wrong')
  await page.keyboard.press('Enter')
  await page.getByText('The username or the password is not right.').waitFor()
  assert.deepEqual(await button.boundingBox(), before)
})

await scene('the first load stays small', {}, {}, async (page, mock) => {
  const { gzipSync } = await import('node:zlib')
  const sizes = []
  page.on('response', (response) => {
    if (!response.url().includes('/api/')) sizes.push(response.body().then((body) => gzipSync(body).length))
  })
  await page.goto(`${mock.url}/login`)
  await page.getByLabel('Agent Username').waitFor()
  await page.waitForLoadState('networkidle')
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  console.log(`#   first load: ${(bytes / 1024).toFixed(0)} KB gzipped`)
  assert.ok(bytes > 50 * 1024 && bytes <= 200 * 1024)
})

await browser.close()
process.exit(out.end())
