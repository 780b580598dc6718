// The administrators' pages, looked at and played with: every page and state in light and dark and four widths, with
// axe, by keyboard alone, with a thousand rows. The other side is the small house of adminmock.mjs.
// Screenshots go to the folder named by HOTSEAT_SHOTS. ONLY=word runs what has the word in its name.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { agent, house, longName, someLines, somePeople } from './adminmock.mjs'
import { launch, person, report, watchConsole } from './browser.mjs'
import { startMock } from './mock.mjs'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const shots = process.env.HOTSEAT_SHOTS ?? process.env.SHOTS
if (shots) mkdirSync(shots, { recursive: true })
const only = process.env.ONLY ?? ''
const widths = [380, 768, 1280, 1920]
const themes = ['light', 'dark']

async function until(check, what, ms = 4_000) {
  const end = Date.now() + ms
  while (!(await check())) {
    assert.ok(Date.now() < end, `in time: ${what}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** Opens an administrators' page as somebody who is logged in. */
async function open(page, mock, path) {
  await page.context().addCookies([{ name: 'hotseat', value: 'mock', url: mock.url }])
  await page.goto(mock.url + path)
}
const row = (page, name) => page.getByRole('row').filter({ hasText: name })
const button = (page, name) => page.getByRole('button', { name, exact: true })
const drawer = (page, name) => page.getByRole('dialog', { name })
const sent = (mock, door) => mock.state.requests.filter((each) => each.door === door)
const table = (path, name) => async (page, mock) => { await open(page, mock, path); await row(page, name).first().waitFor() }
async function opened(page, mock, path, name) {
  await open(page, mock, path)
  await drawer(page, name).waitFor()
}
const refused = (status, reason, sentence) => ({ status, body: { reason, sentence } })
const noDisk = refused(503, 'busy', 'Hotseat is busy at the moment. Please try again in a few seconds.')

const states = [
  ['agents', {}, table('/admin/agents', 'Ann Bianchi')],
  ['agents-found', {}, table('/admin/agents?find=b&show=blocked', 'Bruno Rossi')],
  ['agents-none-found', {}, async (page, mock) => { await open(page, mock, '/admin/agents?find=zzz'); await page.getByText('No agent fits.').waitFor() }],
  ['agents-empty', { people: [] }, async (page, mock) => { await open(page, mock, '/admin/agents'); await page.getByText('There are no agents yet.').waitFor() }],
  ['agents-loading', { delay: { 'GET /api/admin/agents': 60_000 } }, async (page, mock) => { await open(page, mock, '/admin/agents'); await page.getByRole('table', { name: 'Agents' }).waitFor() }],
  ['agents-error', { instead: { 'GET /api/admin/agents': noDisk } }, async (page, mock) => { await open(page, mock, '/admin/agents'); await button(page, 'Try again').waitFor() }],
  ['agents-long-names', () => ({ people: [agent('long', longName, { role: 'administrator', factors: ['totp', 'passkey', 'recovery'], login: { id: 1, phone: 'desk-17', label: `Desk 17 of ${longName}`, since: Date.now(), activity: 'in_call' } }), ...somePeople()] }), table('/admin/agents', longName)],
  ['agents-drawer', {}, (page, mock) => opened(page, mock, '/admin/agents?open=ann', 'Ann Bianchi')],
  ['agents-drawer-locked', {}, (page, mock) => opened(page, mock, '/admin/agents?open=bruno', 'Bruno Rossi')],
  ['agents-drawer-disabled', {}, (page, mock) => opened(page, mock, '/admin/agents?open=dario', 'Dario Gallo')],
  ['agents-drawer-unknown', {}, (page, mock) => opened(page, mock, '/admin/agents?open=nobody', 'nobody')],
  ['agents-drawer-only-unlock', { rights: ['unlock_agents'] }, (page, mock) => opened(page, mock, '/admin/agents?open=franz', 'Franz Huber')],
  ['agents-question', {}, async (page, mock) => {
    await opened(page, mock, '/admin/agents?open=ann', 'Ann Bianchi')
    await button(page, 'Disable').click()
    await page.getByRole('alertdialog', { name: 'Disable Ann Bianchi?' }).waitFor()
  }],
  ['agents-password', {}, async (page, mock) => {
    await opened(page, mock, '/admin/agents?open=bea', 'Bea Conti')
    await button(page, 'New temporary password').click()
    await button(page, 'Make a new password').click()
    await page.getByText('mango-Rail7-quiet').waitFor()
  }],
  ['agents-refused', {}, async (page, mock) => {
    await opened(page, mock, '/admin/agents?open=ivo', 'Ivo Neri')
    await button(page, 'Disable').click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Disable' }).click()
    await page.getByText('You cannot decide about somebody who may do more than you.').waitFor()
  }],
  ['agents-oneself', {}, (page, mock) => opened(page, mock, '/admin/agents?open=maria', 'Maria Ferri')],
  ['logins', {}, table('/admin/logins', 'Ann Bianchi')],
  ['logins-empty', { people: [] }, async (page, mock) => { await open(page, mock, '/admin/logins'); await page.getByText('Nobody is logged in.').waitFor() }],
  ['logins-drawer', {}, (page, mock) => opened(page, mock, '/admin/logins?open=11', 'Ann Bianchi')],
  ['logins-question', {}, async (page, mock) => {
    await opened(page, mock, '/admin/logins?open=11', 'Ann Bianchi')
    await button(page, 'End login').click()
    await page.getByText('Ann Bianchi will be signed out at Desk 17 (desk-17); the call ends.').waitFor()
  }],
  ['logins-supervisor', { role: 'supervisor' }, table('/admin/logins', 'Ann Bianchi')],
  ['site-choose', {}, async (page, mock) => { await table('/admin/logins', 'Ann Bianchi')(page, mock); await button(page, 'Log out a site…').click(); await page.getByRole('option', { name: 'Milan (2)' }).waitFor({ state: 'attached' }) }],
  ['site-who', {}, async (page, mock) => {
    await table('/admin/logins', 'Ann Bianchi')(page, mock)
    await button(page, 'Log out a site…').click()
    await page.getByRole('dialog').getByRole('combobox').selectOption('Milan')
    await button(page, 'Show who').click()
    await button(page, 'Log out 2 people').waitFor()
  }],
  ['phones', {}, table('/admin/phones', 'Desk 17')],
  ['phones-drawer', {}, (page, mock) => opened(page, mock, '/admin/phones?open=desk-17', 'Desk 17')],
  ['phones-engineer', { role: 'engineer' }, table('/admin/phones', 'Desk 17')],
  ['audit', {}, table('/admin/audit', 'Agent unlocked')],
  ['audit-filtered', {}, table('/admin/audit?who=bruno&what=login', 'bruno')],
  ['audit-none', {}, async (page, mock) => { await open(page, mock, '/admin/audit?who=nobody'); await page.getByText('Nothing fits.').waitFor() }],
  ['audit-drawer', {}, (page, mock) => opened(page, mock, '/admin/audit?open=37', 'Login ended')],
  ['security', {}, async (page, mock) => { await open(page, mock, '/admin/security'); await page.getByText('Service desk, extension 100').waitFor() }],
  ['security-mail', {}, async (page, mock) => {
    await open(page, mock, '/admin/security')
    await page.getByLabel('Send to').fill('maria@example.org')
    await page.keyboard.press('Enter')
    await page.getByText('took a test mail to maria@example.org').waitFor()
  }],
  ['licence', {}, async (page, mock) => { await open(page, mock, '/admin/licence'); await page.getByText('trunk.example.org').waitFor() }],
  ['licence-community', { instead: { 'GET /api/admin/licence': { status: 200, body: { status: 'community', sentence: 'This is the community edition; it never expires.', days: null, licence: null, seats_used: 6, certificates: [] } } } },
    async (page, mock) => { await open(page, mock, '/admin/licence'); await page.getByText('community edition').waitFor() }],
  ['forbidden-page', { role: 'supervisor' }, async (page, mock) => { await open(page, mock, '/admin/audit'); await page.getByText('The audit log is shown to administrators.').waitFor() }],
  ['forbidden-all', { role: 'agent' }, async (page, mock) => { await open(page, mock, '/admin'); await page.getByText('These pages are for those who look after Hotseat.').waitFor() }],
  ['unknown-page', {}, async (page, mock) => { await open(page, mock, '/admin/nothing'); await page.getByText('There is no such page here.').waitFor() }],
]

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

async function atRest(page) {
  await page.evaluate(async () => {
    for (let i = 0; i < 2; i += 1) await new Promise((drawn) => requestAnimationFrame(drawn))
    const ending = document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity)
    await Promise.race([Promise.allSettled(ending.map((a) => a.finished)), new Promise((late) => setTimeout(late, 1_000))])
  })
}

const out = report()
const browser = await launch()

async function scene(name, world, options, body) {
  if (only && !name.includes(only)) return
  await out.test(name, async () => {
    const scenario = house(typeof world === 'function' ? world() : world)
    const mock = await startMock(scenario)
    mock.house = scenario.house
    const context = await person(browser, { viewport: { width: 1280, height: 800 }, ...options })
    context.setDefaultTimeout(8_000)
    const page = await context.newPage()
    const complaints = watchConsole(page)
    try {
      await body(page, mock, context)
      const real = complaints.filter((line) => !/WebSocket connection to|status of (503|404)/.test(line))
      assert.deepEqual(real, [], 'the console is quiet')
    } finally {
      await context.close()
      await mock.close()
    }
  })
}

for (const [name, world, drive] of states) {
  await scene(name, world, { reducedMotion: 'reduce' }, async (page, mock) => {
    await drive(page, mock)
    const wrong = []
    for (const width of widths) {
      await page.setViewportSize({ width, height: width === 380 ? 700 : width === 1920 ? 1_080 : 800 })
      for (const theme of themes) {
        await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
        await atRest(page)
        if (shots) await page.screenshot({ path: join(shots, `admin-${name}-${theme}-${width}.png`), animations: 'disabled' })
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

await scene('without a session: the login, and back to the very view after it', { session: null }, {}, async (page, mock) => {
  await page.goto(`${mock.url}/admin/agents?show=blocked`)
  await page.getByLabel('Agent Username').waitFor()
  assert.equal(new URL(page.url()).search, `?next=${encodeURIComponent('/admin/agents?show=blocked')}`)
  await page.getByLabel('Agent Username').fill('maria')
  await page.getByLabel('Password', { exact: true }).fill('right')
  await page.keyboard.press('Enter')
  await row(page, 'Bruno Rossi').waitFor()
  assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, '/admin/agents?show=blocked')
})

await scene('the way from the choice of a telephone: no telephone is taken', { session: null }, {}, async (page, mock) => {
  await page.goto(`${mock.url}/login`)
  await page.getByLabel('Agent Username').fill('maria')
  await page.getByLabel('Password', { exact: true }).fill('right')
  await page.keyboard.press('Enter')
  await page.getByRole('option').first().waitFor()
  await page.getByRole('link', { name: 'Administration' }).click()
  await row(page, 'Bruno Rossi').waitFor()
  assert.equal(sent(mock, 'POST /api/login/device').length, 0)
})

await scene('who sits elsewhere looks after others without ending that', () => ({ session: null, held: { epoch: 7, device: { name: 'desk-17', label: null }, activity: 'idle', activity_since: null, since: Date.now(), from: '10.0.0.5', takeover: 'end' } }), {}, async (page, mock) => {
  await page.goto(`${mock.url}/admin`)
  await page.getByLabel('Agent Username').fill('maria')
  await page.getByLabel('Password', { exact: true }).fill('right')
  await page.keyboard.press('Enter')
  await row(page, 'Bruno Rossi').waitFor()
  assert.equal(sent(mock, 'POST /api/login/device').length, 0)
})

await scene('a session that ends while one looks: the login, and back', {}, {}, async (page, mock) => {
  await table('/admin/logins', 'Ann Bianchi')(page, mock)
  mock.state.session = null
  await page.getByLabel('Agent Username').waitFor({ timeout: 10_000 })
  assert.equal(new URL(page.url()).search, `?next=${encodeURIComponent('/admin/logins')}`)
})

await scene('a password that somebody else has set is changed first, and the way leads back', {}, {}, async (page, mock) => {
  await table('/admin/logins', 'Ann Bianchi')(page, mock)
  mock.state.stages = ['change_password']
  mock.house.instead['GET /api/admin/logins'] = refused(403, 'password_change_required', 'Please change your password first.')
  await page.waitForURL(`${mock.url}/login?next=${encodeURIComponent('/admin/logins')}`, { timeout: 10_000 })
  await page.getByLabel('New password', { exact: true }).waitFor()
})

await scene('/admin leads to the first page one may see', { role: 'supervisor' }, {}, async (page, mock) => {
  await open(page, mock, '/admin')
  await row(page, 'Ann Bianchi').waitFor()
  assert.equal(new URL(page.url()).pathname, '/admin/logins')
  assert.deepEqual(await page.getByRole('navigation').getByRole('link').allInnerTexts(), ['Logins', 'Phones'])
})

await scene('the keyboard alone: find, open, unlock, close, and the row has the focus again', {}, {}, async (page, mock) => {
  await table('/admin/agents', 'Ann Bianchi')(page, mock)
  await page.keyboard.press('/')
  assert.equal(await page.evaluate(() => document.activeElement.type), 'search')
  await page.keyboard.type('r')
  await until(async () => (await page.getByRole('row').count()) === 8, 'found')
  await page.keyboard.press('ArrowDown')
  const focused = () => page.evaluate(() => document.activeElement.textContent)
  assert.equal(await focused(), 'Bruno Rossi')
  await page.keyboard.press('ArrowDown')
  assert.notEqual(await focused(), 'Bruno Rossi')
  await page.keyboard.press('Home')
  assert.equal(await focused(), 'Bruno Rossi')
  await page.keyboard.press('Enter')
  await drawer(page, 'Bruno Rossi').waitFor()
  assert.equal(new URL(page.url()).search, '?find=r&open=bruno')
  for (let i = 0; i < 6 && (await focused()) !== 'Unlock'; i += 1) await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByText('Bruno Rossi is unlocked.').waitFor()
  assert.equal(sent(mock, 'POST /api/admin/agents/bruno/unlock')[0].csrf, 'word')
  await until(async () => (await button(page, 'Unlock').count()) === 0, 'no Unlock any more')
  await page.keyboard.press('Escape')
  await drawer(page, 'Bruno Rossi').waitFor({ state: 'detached' })
  await until(async () => (await focused()) === 'Bruno Rossi', 'the row has the focus')
  assert.equal(new URL(page.url()).search, '?find=r')
})

await scene('a destructive deed names the victim and the effect, asks once, and No changes nothing', {}, {}, async (page, mock) => {
  await opened(page, mock, '/admin/agents?open=ann', 'Ann Bianchi')
  await button(page, 'End login').click()
  const question = page.getByRole('alertdialog', { name: 'End the login of Ann Bianchi?' })
  assert.match(await question.innerText(), /Ann Bianchi will be signed out at Desk 17 \(desk-17\); the call ends\./)
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel')
  await page.keyboard.press('Escape')
  await question.waitFor({ state: 'detached' })
  assert.equal(sent(mock, 'POST /api/admin/logins/11/end').length, 0)
  await button(page, 'End login').click()
  await question.getByRole('button', { name: 'End login' }).click()
  await page.getByText('The login of Ann Bianchi at Desk 17 was ended. A call ended with it.').waitFor()
  assert.equal(sent(mock, 'POST /api/admin/logins/11/end').length, 1)
  await until(async () => (await button(page, 'End login').count()) === 0, 'nothing left to end')
})

await scene('a temporary password is shown once, copied, and gone', {}, { permissions: ['clipboard-read', 'clipboard-write'] }, async (page, mock) => {
  await opened(page, mock, '/admin/agents?open=bea', 'Bea Conti')
  await button(page, 'New temporary password').click()
  await button(page, 'Make a new password').click()
  await button(page, 'Copy').click()
  await page.getByText('Copied.').waitFor()
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'mango-Rail7-quiet')
  await button(page, 'Done').click()
  await page.getByText('mango-Rail7-quiet').waitFor({ state: 'detached' })
  assert.equal((await page.content()).includes('mango-Rail7-quiet'), false)
})

await scene('role and e-mail: asked where it gives power, refused as it comes', {}, {}, async (page, mock) => {
  await opened(page, mock, '/admin/agents?open=elena', 'Elena Greco')
  await drawer(page, 'Elena Greco').getByLabel('Role').selectOption('supervisor')
  await button(page, 'Change role').click()
  await button(page, 'Make supervisor').click()
  await page.getByText('Elena Greco has the role supervisor.').waitFor()
  await page.getByLabel('E-mail').fill('not an address')
  await button(page, 'Save e-mail').click()
  await page.getByText('That is not an e-mail address.').waitFor()
  assert.equal(await page.getByLabel('E-mail').inputValue(), 'not an address')
})

await scene('buttons without the right are absent', { rights: ['see_logins'] }, {}, async (page, mock) => {
  await opened(page, mock, '/admin/logins?open=11', 'Ann Bianchi')
  assert.equal(await button(page, 'End login').count(), 0)
  await page.keyboard.press('Escape')
  assert.equal(await button(page, 'Log out a site…').count(), 0)
  await opened(page, mock, '/admin/phones?open=desk-17', 'Desk 17')
  assert.equal(await button(page, 'Free phone').count(), 0)
})

await scene('a right that was taken away meanwhile: the refusal is shown as it comes', {}, {}, async (page, mock) => {
  await opened(page, mock, '/admin/logins?open=11', 'Ann Bianchi')
  mock.house.rights = ['see_logins']
  await button(page, 'End login').click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'End login' }).click()
  await page.getByText('Your role does not allow that.').waitFor()
})

await scene('a phone is freed, and the person at it is named', {}, {}, async (page, mock) => {
  await opened(page, mock, '/admin/phones?open=desk-18', 'Desk 18')
  await button(page, 'Free phone').click()
  await page.getByText('Chiara De Santis will be signed out at Desk 18 (desk-18); the ringing stops.').waitFor()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Free phone' }).click()
  await page.getByText('The login of Chiara De Santis').waitFor()
})

await scene('a whole site: dry run, somebody sits down meanwhile, counted anew, done', {}, {}, async (page, mock) => {
  await table('/admin/logins', 'Ann Bianchi')(page, mock)
  await button(page, 'Log out a site…').click()
  await page.getByRole('dialog').getByRole('combobox').selectOption('Milan')
  await button(page, 'Show who').click()
  await page.getByText('2 people will be signed out; 2 of them are in a call, which ends.').waitFor()
  mock.house.people = mock.house.people.map((each) => each.name === 'elena' ? { ...each, login: { id: 20, phone: 'desk-19', label: 'Desk 19', site: 'Milan', floor: '3', since: Date.now(), activity: 'idle' } } : each)
  await button(page, 'Log out 2 people').click()
  await page.getByText('Somebody sat down since you looked. Please look again.').waitFor()
  assert.equal(mock.house.people.filter((each) => each.login).length, 4)
  await button(page, 'Show who').click()
  await button(page, 'Log out 3 people').click()
  await page.getByText('3 logins were ended at Milan.').waitFor()
  await button(page, 'Close').click()
  await until(async () => (await page.getByRole('row').count()) === 2, 'only the browser is left')
})

await scene('the list is live, and nothing moves under the pointer', {}, {}, async (page, mock) => {
  await table('/admin/logins', 'Ann Bianchi')(page, mock)
  await page.evaluate(() => {
    globalThis.shift = 0
    new PerformanceObserver((list) => { for (const e of list.getEntries()) globalThis.shift += e.value }).observe({ type: 'layout-shift', buffered: false })
  })
  await row(page, 'Chiara De Santis').hover()
  const before = await row(page, 'Chiara De Santis').boundingBox()
  mock.house.people = [
    agent('aaron', 'Aaron First', { login: { id: 30, phone: 'desk-19', label: 'Desk 19', site: 'Milan', floor: '3', since: Date.now(), activity: 'idle' } }),
    ...mock.house.people.map((each) => each.name === 'ann' ? { ...each, login: null } : each.name === 'chiara' ? { ...each, login: { ...each.login, activity: 'in_call' } } : each),
  ]
  await row(page, 'Chiara De Santis').getByText('In a call').waitFor({ timeout: 10_000 })
  assert.deepEqual(await row(page, 'Chiara De Santis').boundingBox(), before)
  assert.equal(await row(page, 'Ann Bianchi').count(), 1)
  await button(page, 'Show 1 new').waitFor()
  assert.equal(await row(page, 'Aaron First').count(), 0)
  await page.mouse.move(5, 5)
  await row(page, 'Aaron First').waitFor()
  assert.equal(await row(page, 'Ann Bianchi').count(), 0)
  const shift = await page.evaluate(() => globalThis.shift)
  assert.ok(shift < 0.002, `shifted by ${shift}`)
})

await scene('what one looks for is shown at once, though the pointer rests on the list', {}, {}, async (page, mock) => {
  await table('/admin/agents', 'Ann Bianchi')(page, mock)
  await row(page, 'Franz Huber').hover()
  await page.keyboard.press('/')
  await page.keyboard.type('chia')
  await until(async () => (await page.getByRole('row').count()) === 2, 'one row')
  await row(page, 'Chiara De Santis').waitFor()
})

await scene('a bad minute: the list stays, says of when it is, and heals', {}, {}, async (page, mock) => {
  await table('/admin/logins', 'Ann Bianchi')(page, mock)
  mock.house.instead['GET /api/admin/logins'] = noDisk
  await page.getByText('Hotseat is busy at the moment.').waitFor({ timeout: 10_000 })
  assert.equal(await row(page, 'Ann Bianchi').count(), 1)
  delete mock.house.instead['GET /api/admin/logins']
  await page.getByText('Hotseat is busy at the moment.').waitFor({ state: 'detached', timeout: 10_000 })
})

await scene('an error can be tried again', { instead: { 'GET /api/admin/phones': noDisk } }, {}, async (page, mock) => {
  await open(page, mock, '/admin/phones')
  await page.getByText('This could not be loaded.').waitFor()
  delete mock.house.instead['GET /api/admin/phones']
  await button(page, 'Try again').click()
  await row(page, 'Desk 17').waitFor()
})

await scene('three thousand agents: few rows in the document, fast to find, the last one by End', {
  people: Array.from({ length: 3_000 }, (_, i) => agent(`a${String(i).padStart(4, '0')}`, `Agent ${String(i).padStart(4, '0')}`)),
}, {}, async (page, mock) => {
  await table('/admin/agents', 'Agent 0000')(page, mock)
  await page.getByText('3,000 agents').waitFor()
  assert.ok((await page.getByRole('row').count()) < 60)
  await row(page, 'Agent 0000').getByRole('link').focus()
  await page.keyboard.press('End')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Agent 2999')
  // The focus stays though the wheel takes its row off the screen.
  await page.getByRole('table').evaluate((element) => { element.scrollTop = 0 })
  await row(page, 'Agent 0003').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Agent 2999')
  const ms = await page.evaluate(async () => {
    const box = document.querySelector('[role=table]')
    const times = []
    for (let i = 0; i < 20; i += 1) {
      const began = performance.now()
      box.scrollTop = i * 4_000
      await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))
      times.push(performance.now() - began)
    }
    return times.sort((a, b) => a - b)[10]
  })
  console.log(`#   a jump in 3,000 rows, next frame included: ${ms.toFixed(1)} ms (median)`)
  assert.ok(ms < 100, `${ms} ms`)
})

await scene('the audit log: older lines come by scrolling, the filter lives in the address, the CSV has it too', { lines: someLines(95) }, {}, async (page, mock) => {
  await table('/admin/audit', 'Agent unlocked')(page, mock)
  await page.getByText('20 lines, older ones below').or(page.getByText('40 lines, older ones below')).waitFor()
  for (let i = 0; i < 12 && (await page.getByText('95 lines').count()) === 0; i += 1) {
    await page.getByRole('table').evaluate((element) => { element.scrollTop = element.scrollHeight })
    await page.waitForTimeout(80)
  }
  await page.getByText('95 lines').waitFor()
  await page.getByLabel('What').selectOption('login_ended')
  await page.getByLabel('Who').fill('chiara')
  await until(() => new URL(page.url()).search === '?what=login_ended&who=chiara', 'the address')
  await until(async () => (await page.locator('.list-foot').innerText()).startsWith('16 lines'), 'filtered')
  assert.equal(await page.getByRole('link', { name: 'Export CSV' }).getAttribute('href'), '/api/admin/audit.csv?who=chiara&what=login_ended')
  await page.reload()
  await until(async () => (await page.locator('.list-foot').innerText()).startsWith('16 lines'), 'the same after a reload')
  assert.equal(await page.getByLabel('Who').inputValue(), 'chiara')
})

await scene('Back closes the drawer, and a link opens it', {}, {}, async (page, mock) => {
  await table('/admin/phones', 'Desk 17')(page, mock)
  await row(page, 'Desk 21').click()
  await drawer(page, 'Desk 21').waitFor()
  await page.goBack()
  await drawer(page, 'Desk 21').waitFor({ state: 'detached' })
  assert.equal(new URL(page.url()).pathname, '/admin/phones')
  await opened(page, mock, '/admin/phones?open=desk-22', 'Desk 22')
})

await scene('log out from here', {}, {}, async (page, mock) => {
  await table('/admin/phones', 'Desk 17')(page, mock)
  await button(page, 'Log out').click()
  await page.getByLabel('Agent Username').waitFor()
  assert.equal(mock.state.session, null)
})

await scene('agents never download these pages', { role: 'agent', session: null }, {}, async (page, mock) => {
  const loaded = []
  page.on('response', (response) => loaded.push(response.url()))
  await page.goto(`${mock.url}/login`)
  await page.getByLabel('Agent Username').waitFor()
  await page.waitForLoadState('networkidle')
  assert.deepEqual(loaded.filter((url) => /admin/i.test(url)), [])
})

await browser.close()
process.exit(out.end())
