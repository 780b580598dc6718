// Every way in, looked at and played with: what an account demands beyond its password, the forgotten password, tickets,
// notices, the end of a login. The world is the mock's; what the real server does is tried in `ways-in.mjs`.

import assert from 'node:assert/strict'
import { ann, bea, phone, recoveryCodes } from './mock.mjs'

const minute = 60_000
const button = (page, name) => page.getByRole('button', { name, exact: true })
const field = (page, name) => page.getByLabel(name, { exact: true })
const heading = (page, name) => page.getByRole('heading', { name })

async function until(check, what, ms = 3_000) {
  const end = Date.now() + ms
  while (!(await check())) {
    assert.ok(Date.now() < end, `in time: ${what}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}
const sent = (mock, door) => mock.state.requests.filter((r) => r.door === door)

async function typeCredentials(page, mock, path = '/login', password = 'right') {
  await page.goto(mock.url + path)
  await field(page, 'Agent Username').fill('ann')
  await field(page, 'Password').fill(password)
}
async function logIn(page, mock, path = '/login') {
  await typeCredentials(page, mock, path)
  await page.keyboard.press('Enter')
}
async function atNewPassword(page, mock) {
  await logIn(page, mock)
  await heading(page, 'Choose a new password').waitFor()
}
async function atFactor(page, mock) {
  await logIn(page, mock)
  await heading(page, 'Is it really you?').waitFor()
}
async function atEnrol(page, mock) {
  await logIn(page, mock)
  await page.getByAltText('QR code for your authenticator app').waitFor()
}
async function atCodes(page, mock) {
  await atEnrol(page, mock)
  await page.getByLabel('The six digits').fill('123 456')
  await page.keyboard.press('Enter')
  await heading(page, 'Keep your recovery codes').waitFor()
}
/** In already, at a desk phone or with the phone in the page. */
async function inside(page, mock, path = '/') {
  await page.context().addCookies([{ name: 'hotseat', value: 'mock', url: mock.url }])
  await page.goto(mock.url + path)
  await button(page, 'Log out').waitFor()
  await until(() => mock.listeners() >= 1, 'the desk listens')
}
const notice = (page, text) => page.locator('.notice p', { hasText: text })
const tick = (page, text) => page.locator('.tick', { hasText: text })
const look = async (page, text) => /tick-(\w+)/.exec((await tick(page, text).getAttribute('class')).replace('tick ', ''))[1]

const seated = (more = {}) => ({ session: 'in', seat: phone(14), ...more })
const boss = { ...ann, role: 'administrator', display_name: 'Ada Boss' }
const takenOver = { type: 'login_ended', why: 'taken_over', sentence: 'Another user has logged with your credentials. Multiple logins not allowed.', from: '10.0.0.99' }
const expiring = { kind: 'password_expires', severity: 'warning', sentence: 'Your password expires in 9 days.', days: 9 }
const licence = { kind: 'licence', severity: 'info', sentence: 'The licence of this site ends in 20 days. Please tell Carla Verdi, extension 2999, who looks after it.', days: 20 }
const certificate = { kind: 'certificate', severity: 'warning', sentence: 'The certificate of this site expires in 3 days. Please tell your administrator.', days: 3 }
const app = { id: 1, kind: 'totp', name: 'Authenticator app', since: Date.now() - 20 * 1440 * minute, last_used: Date.now() - 50 * minute }
const key = { id: 2, kind: 'passkey', name: 'Laptop of the front desk', since: Date.now() - 3 * 1440 * minute, last_used: null }

/** What a person may find on the screen: a name, the world it happens in, the way there. */
export const waysStates = [
  ['ways-all-methods', { site: { login_methods: ['password', 'directory', 'oidc'], oidc_label: 'Google' } }, async (page, mock) => {
    await page.goto(`${mock.url}/login`)
    await page.getByRole('link', { name: 'Log in with Google' }).waitFor()
  }],
  ['ways-directory-only', { site: { login_methods: ['directory'] } }, async (page, mock) => {
    await page.goto(`${mock.url}/login`)
    await button(page, 'Log in with Active Directory').waitFor()
  }],
  ['ways-blocked', {
    site: { contact: 'Please call the help desk: extension 2999, or it@example.com.' },
    login: { status: 403, body: { reason: 'blocked', sentence: 'This account is blocked after too many wrong attempts. Please contact your administrator.' } },
  }, async (page, mock) => { await logIn(page, mock); await page.getByText('extension 2999').waitFor() }],
  ['ways-refused-there', {}, async (page, mock) => {
    await page.goto(`${mock.url}/login?refused=oidc_unknown`)
    await page.getByText('There is no agent for this account here.').waitFor()
  }],
  ['ways-new-password', { stages: ['change_password'] }, atNewPassword],
  ['ways-new-password-half', { stages: ['change_password'], why: 'expired' }, async (page, mock) => { await atNewPassword(page, mock); await page.keyboard.type('Sunny-'); await tick(page, 'one upper').and(page.locator('.tick-met')).waitFor() }],
  ['ways-new-password-refused', {
    stages: ['change_password'], why: 'administrator',
    passwordRefusal: { status: 422, body: { reason: 'password_rules', sentence: 'This password cannot be used. Please look at the rules.', failed: ['not_common', 'not_recent'] } },
  }, async (page, mock) => {
    await atNewPassword(page, mock)
    await field(page, 'New password').fill('Password-1')
    await field(page, 'Repeat the new password').fill('Password-1')
    await page.keyboard.press('Enter')
    await page.locator('.tick-failed').first().waitFor()
  }],
  ['ways-change-password', seated(), async (page, mock) => { await inside(page, mock); await button(page, 'Change password').click(); await heading(page, 'Change your password').waitFor(); await page.getByText('At least 8').waitFor() }],
  ['ways-forgot', {}, async (page, mock) => { await page.goto(`${mock.url}/forgot`); await field(page, 'Your e-mail address').waitFor() }],
  ['ways-forgot-sent', {}, async (page, mock) => {
    await page.goto(`${mock.url}/forgot`)
    await field(page, 'Your e-mail address').fill('ann@example.com')
    await page.keyboard.press('Enter')
    await page.getByText('a link is on its way').waitFor()
  }],
  ['ways-forgot-ask', { site: { forgot_password: 'ask_administrator', contact: 'Carla Verdi, extension 2999' } }, async (page, mock) => { await page.goto(`${mock.url}/forgot`); await page.getByText('Carla Verdi').waitFor() }],
  ['ways-reset', {}, async (page, mock) => { await page.goto(`${mock.url}/reset#good`); await page.getByText('This link works for another').waitFor(); await page.getByText('At least 8').waitFor() }],
  ['ways-reset-expired', {}, async (page, mock) => { await page.goto(`${mock.url}/reset#used`); await heading(page, 'This link works no more.').waitFor() }],
  ['ways-reset-done', {}, async (page, mock) => {
    await page.goto(`${mock.url}/reset#good`)
    await field(page, 'New password').fill('Sunny-Day7')
    await field(page, 'Repeat the new password').fill('Sunny-Day7')
    await page.keyboard.press('Enter')
    await heading(page, 'Your password is changed.').waitFor()
  }],
  ['ways-factor', { stages: ['second_factor'], kinds: ['totp', 'recovery', 'passkey'] }, atFactor],
  ['ways-factor-wrong', { stages: ['second_factor'] }, async (page, mock) => { await atFactor(page, mock); await page.keyboard.type('000000'); await page.keyboard.press('Enter'); await page.getByText('This code is not right').waitFor() }],
  ['ways-factor-recovery', { stages: ['second_factor'] }, async (page, mock) => { await atFactor(page, mock); await button(page, 'Use a recovery code').click(); await field(page, 'One of your recovery codes').waitFor() }],
  ['ways-factor-passkey-only', { stages: ['second_factor'], kinds: ['passkey', 'recovery'] }, async (page, mock) => { await logIn(page, mock); await button(page, 'Use a passkey').waitFor() }],
  ['ways-enrol', { stages: ['enrol_factor'] }, async (page, mock) => { await atEnrol(page, mock); await button(page, 'The picture cannot be scanned').click(); await page.getByText('JBSW Y3DP').waitFor() }],
  ['ways-codes', { stages: ['enrol_factor'] }, atCodes],
  ['ways-factors', seated({ factors: [app, key] }), async (page, mock) => { await inside(page, mock); await button(page, 'Second factor').click(); await page.locator('.factors b', { hasText: 'Laptop of the front desk' }).waitFor() }],
  ['ways-factors-none', seated(), async (page, mock) => { await inside(page, mock); await button(page, 'Second factor').click(); await page.getByText('None yet').waitFor() }],
  ['ways-factors-password', seated({ factors: [app] }), async (page, mock) => {
    await inside(page, mock)
    await button(page, 'Second factor').click()
    await page.getByRole('button', { name: 'Remove' }).click()
    await field(page, 'Password').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('The password is wrong.').waitFor()
  }],
  ['ways-notices', seated({ notices: [licence, expiring, certificate] }), async (page, mock) => { await inside(page, mock); await notice(page, 'expires in 9 days').waitFor() }],
  ['ways-notices-picker', { notices: [expiring] }, async (page, mock) => { await logIn(page, mock); await notice(page, 'expires in 9 days').waitFor(); await page.getByRole('option').first().waitFor() }],
  ['ways-ends-soon', seated({ endsSoon: { why: 'idle', at: Date.now() + 4 * minute } }), async (page, mock) => { await inside(page, mock); await button(page, 'Stay').waitFor() }],
  ['ways-ends-soon-shift', seated({ endsSoon: { why: 'shift_end', at: Date.now() + 9 * minute } }), async (page, mock) => { await inside(page, mock); await page.getByText('Your shift ends.').waitFor() }],
  ['ways-not-ready', seated({ presence: { state: 'not_ready', reason: 'phone_unreachable', since: Date.now() - 3 * minute } }), async (page, mock) => { await inside(page, mock); await page.getByText('cannot be reached').waitFor() }],
  ['ways-not-me', seated(), async (page, mock) => {
    await inside(page, mock)
    mock.push({ ...takenOver, at: Date.now() })
    await button(page, 'That wasn’t me').click()
    await page.getByRole('alertdialog').waitFor()
  }],
  ['ways-not-me-done', seated(), async (page, mock) => {
    await inside(page, mock)
    mock.push({ ...takenOver, at: Date.now() })
    await button(page, 'That wasn’t me').click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'That wasn’t me' }).click()
    await page.getByText('your account is locked').waitFor()
  }],
  ['ways-ticket-used', {}, async (page, mock) => { await page.goto(`${mock.url}/t#used`); await page.getByText('This ticket was used already').waitFor(); await field(page, 'Agent Username').waitFor() }],
  ['ways-ticket-used-inside', seated(), async (page, mock) => {
    await page.context().addCookies([{ name: 'hotseat', value: 'mock', url: mock.url }])
    await page.goto(`${mock.url}/t#used`)
    await page.getByRole('link', { name: 'To the desktop' }).waitFor()
  }],
  ['ways-administration', { agent: boss }, async (page, mock) => { await logIn(page, mock); await page.getByRole('link', { name: 'Administration' }).waitFor(); await page.getByRole('option').first().waitFor() }],
  ['ways-held-administration', () => ({ agent: boss, held: { epoch: 7, device: { name: 'desk-17', label: 'Desk 17' }, activity: 'idle', activity_since: null, since: Date.now() - 95 * minute, from: '10.0.0.5', takeover: 'end' } }),
    async (page, mock) => { await logIn(page, mock); await page.getByRole('link', { name: 'Administration, without ending it' }).waitFor() }],
  ['ways-phonebar', { agent: bea, session: 'in' }, async (page, mock) => { await inside(page, mock, '/phonebar'); await page.locator('.pill', { hasText: 'Ready' }).waitFor() }],
  ['ways-phonebar-in-call', { agent: bea, session: 'in' }, async (page, mock) => {
    await inside(page, mock, '/phonebar')
    await page.locator('.pill', { hasText: 'Ready' }).waitFor()
    await page.getByLabel('Number or extension').fill('2005')
    await page.keyboard.press('Enter')
    await page.locator('.pill', { hasText: 'In call' }).waitFor()
  }],
  ['ways-phonebar-external', seated(), async (page, mock) => inside(page, mock, '/phonebar')],
]

/** What happens between the states. */
export async function waysScenes(scene) {
  await scene('ways: each rule is ticked as one types, by keyboard alone, and nothing else can be reached before', { stages: ['change_password'] }, {}, async (page, mock) => {
    await atNewPassword(page, mock)
    assert.equal(await look(page, 'At least one of'), 'open')
    // Exactly these characters, shown as they are.
    assert.equal(await page.locator('.chars').innerText(), '~!@#$%^&-_=+[{]}')
    for (const [typed, text] of [['s', 'one lower'], ['S', 'one upper'], ['7', 'one digit'], ['*', null], ['-', 'At least one of'], ['unny', 'At least 8']]) {
      await page.keyboard.type(typed)
      if (text) await until(async () => (await look(page, text)) === 'met', text)
      else assert.equal(await look(page, 'At least one of'), 'open', 'an asterisk is not among them')
    }
    assert.equal(await look(page, 'your present password'), 'met')
    assert.equal(await look(page, 'your last 12'), 'later')
    for (const path of ['/', '/phonebar', '/somewhere']) {
      await page.goto(mock.url + path)
      await heading(page, 'Choose a new password').waitFor()
    }
    await field(page, 'New password').fill('Sunny-Day7')
    await page.keyboard.press('Enter')
    await page.getByText('The two entries are not the same.').waitFor()
    assert.equal(await page.evaluate(() => document.activeElement.name), 'repeat-password')
    await page.keyboard.type('Sunny-Day7')
    await page.keyboard.press('Enter')
    await page.getByRole('combobox', { name: 'Telephone' }).waitFor()
    assert.deepEqual(sent(mock, 'POST /api/password').map((r) => [r.body, r.csrf]), [[{ new: 'Sunny-Day7' }, 'word']])
  })

  await scene('ways: the password typed at the login is not taken as the new one', { stages: ['change_password'] }, {}, async (page, mock) => {
    await atNewPassword(page, mock)
    await page.keyboard.type('right')
    assert.equal(await look(page, 'your present password'), 'open')
    await page.keyboard.press('Enter')
    await page.getByText('Not every rule is met yet.').waitFor()
    assert.equal(sent(mock, 'POST /api/password').length, 0)
  })

  await scene('ways: a second factor, then a new password, then codes, then the phone: each step once', { stages: ['second_factor', 'change_password', 'enrol_factor'] }, {}, async (page, mock) => {
    await atFactor(page, mock)
    assert.deepEqual(await page.evaluate(() => [document.activeElement.name, document.activeElement.autocomplete, document.activeElement.inputMode]), ['code', 'one-time-code', 'numeric'])
    await page.keyboard.type('12345')
    await page.keyboard.press('Enter')
    await page.getByText('Please enter the six digits.').waitFor()
    await page.keyboard.type('6')
    await page.keyboard.press('Enter')
    await heading(page, 'Choose a new password').waitFor()
    assert.equal(await look(page, 'your present password'), 'open', 'what was typed before is still known')
    await field(page, 'New password').fill('Sunny-Day7')
    await field(page, 'Repeat the new password').fill('Sunny-Day7')
    await page.keyboard.press('Enter')
    await page.getByLabel('The six digits').fill('000000')
    await page.keyboard.press('Enter')
    await page.getByText('This code is not right').waitFor()
    await page.getByLabel('The six digits').fill('123456')
    await page.keyboard.press('Enter')
    await heading(page, 'Keep your recovery codes').waitFor()
    assert.deepEqual(await page.locator('.codes code').allInnerTexts(), recoveryCodes())
    const go = button(page, 'Continue')
    assert.equal(await go.isDisabled(), true)
    const download = page.waitForEvent('download')
    await button(page, 'Save').click()
    const { readFileSync } = await import('node:fs')
    assert.match(readFileSync(await (await download).path(), 'utf8'), /k0wm-7xq0-pd4r[\s\S]*k9wm-7xq9-pd4r/)
    await page.getByLabel('I have put them').check()
    await go.click()
    await page.getByRole('combobox', { name: 'Telephone' }).waitFor()
  })

  await scene('ways: a recovery code lets in; a reload in the middle asks for the factor again', { stages: ['second_factor'] }, {}, async (page, mock) => {
    await atFactor(page, mock)
    await page.reload()
    await heading(page, 'Is it really you?').waitFor()
    await button(page, 'Use a recovery code').click()
    await until(async () => (await page.evaluate(() => document.activeElement.name)) === 'recovery-code', 'the field has the focus')
    await page.keyboard.type(' k0wm-7xq0-pd4r ')
    await page.keyboard.press('Enter')
    await page.getByRole('combobox', { name: 'Telephone' }).waitFor()
    assert.deepEqual(sent(mock, 'POST /api/login/factor').map((r) => r.body), [{ kind: 'recovery', code: 'k0wm-7xq0-pd4r' }])
  })

  await scene('ways: the login waited too long: back to the beginning with the sentence', { stages: ['second_factor'] }, {}, async (page, mock) => {
    await atFactor(page, mock)
    await page.waitForTimeout(50)
    await page.route('**/api/login/factor', (route) => route.fulfill({ status: 401, json: { reason: 'login_expired', sentence: 'Your login took too long or has expired. Please log in again.' } }))
    // Long after the login; a moment after it, it would mean that the cookie was not kept.
    await page.evaluate(() => { const then = Date.now; Date.now = () => then() + 60_000 })
    await page.keyboard.type('123456')
    await page.keyboard.press('Enter')
    await page.getByText('Your login took too long').waitFor()
    await field(page, 'Agent Username').waitFor()
  })

  await scene('ways: a factor is asked for and the cookie was not kept: the popup about cookies', { stages: ['second_factor'], dropCookies: true }, {}, async (page, mock) => {
    await atFactor(page, mock)
    await page.keyboard.type('123456')
    await page.keyboard.press('Enter')
    await page.getByRole('alertdialog', { name: 'Cookies must be enabled' }).waitFor()
  })

  await scene('ways: the directory gets the same name and password, and says that it is asked', { site: { login_methods: ['password', 'directory'] } }, {}, async (page, mock) => {
    await typeCredentials(page, mock)
    await button(page, 'Log in with Active Directory').click()
    await page.getByRole('combobox', { name: 'Telephone' }).waitFor()
    assert.deepEqual(sent(mock, 'POST /api/login').map((r) => r.body), [{ username: 'ann', password: 'right', way: 'directory' }])
  })

  await scene('ways: only what is enabled has a button; Google brings back to where one wanted to go', { site: { login_methods: ['password', 'oidc'], oidc_label: 'Google' } }, {}, async (page, mock) => {
    await page.goto(`${mock.url}/some/where`)
    const google = page.getByRole('link', { name: 'Log in with Google' })
    await google.waitFor()
    assert.equal(await google.getAttribute('href'), '/api/login/oidc?next=%2Fsome%2Fwhere')
    assert.equal(await button(page, 'Log in with Active Directory').count(), 0)
    mock.state.site = {}
    await page.reload()
    await page.getByText('0.1.0').waitFor()
    assert.equal(await google.count(), 0)
  })

  await scene('ways: why the other side sent back is said once, and whatever it says is only text', {}, {}, async (page, mock) => {
    await page.goto(`${mock.url}/login?refused=oidc_denied&next=%2Fphonebar`)
    await page.getByText('The login was cancelled.').waitFor()
    assert.equal(new URL(page.url()).search, '?next=%2Fphonebar')
    await page.reload()
    await field(page, 'Agent Username').waitFor()
    assert.equal(await page.getByText('The login was cancelled.').count(), 0)
    await page.goto(`${mock.url}/login?refused=${encodeURIComponent('<img src=x onerror=alert(1)>')}`)
    await page.getByText('Logging in there did not work (unknown).').waitFor()
  })

  await scene('ways: forgotten: an address, the answer, and no question who it belongs to', {}, {}, async (page, mock) => {
    await page.goto(`${mock.url}/login`)
    await page.getByRole('link', { name: 'Forgot Password?' }).click()
    await page.keyboard.press('Enter')
    await page.getByText('Please enter your e-mail address.').waitFor()
    await page.keyboard.type('nobody@example.com')
    await page.keyboard.press('Enter')
    await page.getByText('If this address belongs to an account, a link is on its way to it.').waitFor()
    assert.deepEqual(sent(mock, 'POST /api/forgot').map((r) => r.body), [{ email: 'nobody@example.com' }])
  })

  await scene('ways: mail turned off meanwhile: ask the administrator', { forgotRefusal: { status: 409, body: { reason: 'mail_not_set', sentence: 'No mail.' } }, site: { contact: 'Carla Verdi' } }, {}, async (page, mock) => {
    await page.goto(`${mock.url}/forgot`)
    await field(page, 'Your e-mail address').fill('ann@example.com')
    await page.keyboard.press('Enter')
    await heading(page, 'Please ask your administrator').waitFor()
    await page.getByText('Carla Verdi').waitFor()
  })

  await scene('ways: the link in the mail: looking uses nothing up, the clock runs, saving takes it out of the address', {}, {}, async (page, mock) => {
    await page.goto(`${mock.url}/reset#good`)
    const clock = page.getByRole('timer')
    const first = await clock.innerText()
    assert.match(first, /^5[89]:\d\d$/)
    await until(async () => (await clock.innerText()) !== first, 'the clock runs')
    await page.reload()
    await field(page, 'New password').fill('Sunny-Day7')
    assert.equal(sent(mock, 'POST /api/reset').length, 0)
    await field(page, 'Repeat the new password').fill('Sunny-Day7')
    await page.keyboard.press('Enter')
    await heading(page, 'Your password is changed.').waitFor()
    assert.equal(page.url(), `${mock.url}/reset`)
    assert.deepEqual(sent(mock, 'POST /api/reset').map((r) => r.body), [{ token: 'good', new: 'Sunny-Day7' }])
    // Nothing of it went anywhere but into the body of these requests.
    assert.equal(mock.state.requests.some((r) => r.door.includes('good')), false)
  })

  await scene('ways: the hour is over while one types', () => ({ linkExpires: Date.now() + 1_500 }), {}, async (page, mock) => {
    await page.goto(`${mock.url}/reset#good`)
    await field(page, 'New password').fill('Sunny')
    await heading(page, 'This link works no more.').waitFor()
    await page.getByRole('link', { name: 'Ask for a new link' }).click()
    await field(page, 'Your e-mail address').waitFor()
  })

  await scene('ways: a ticket opens the desktop and is gone from the address; the second time it is worth nothing', seated(), {}, async (page, mock) => {
    mock.state.session = null
    await page.goto(`${mock.url}/t#good`)
    await button(page, 'Log out').waitFor()
    assert.equal(page.url(), `${mock.url}/`)
    assert.deepEqual(sent(mock, 'POST /api/ticket/use').map((r) => r.body), [{ ticket: 'good' }])
    await page.context().clearCookies()
    await page.goto(`${mock.url}/t#good`)
    await page.getByText('This ticket was used already').waitFor()
    await field(page, 'Agent Username').waitFor()
    assert.equal(page.url(), `${mock.url}/login`)
  })

  await scene('ways: the globe opens the desktop in a page of its own, the phone stays', { agent: bea, session: 'in' }, {}, async (page, mock, context) => {
    await inside(page, mock, '/phonebar')
    await page.locator('.pill', { hasText: 'Ready' }).waitFor()
    const opened = context.waitForEvent('page')
    await button(page, 'Open the desktop').click()
    const desktop = await opened
    await button(desktop, 'Log out').waitFor()
    assert.equal(desktop.url(), `${mock.url}/`)
    await heading(desktop, 'Another tab has the audio').waitFor()
    await page.locator('.pill', { hasText: 'Ready' }).waitFor()
    // A globe that is refused says why.
    await page.route('**/api/ticket', (route) => route.fulfill({ status: 429, json: { reason: 'too_many_attempts', sentence: 'Too many tickets.' } }))
    await button(page, 'Open the desktop').click()
    await page.getByText('Too many tickets.').waitFor()
  })

  await scene('ways: the phone moves into a small window, and the page says so', { agent: bea, session: 'in' }, {}, async (page, mock, context) => {
    await inside(page, mock)
    await page.locator('.pill', { hasText: 'Ready' }).waitFor()
    const opened = context.waitForEvent('page')
    await button(page, 'Phonebar in its own window').click()
    const small = await opened
    await small.locator('.pill', { hasText: 'Ready' }).waitFor()
    assert.equal(new URL(small.url()).pathname, '/phonebar')
    await heading(page, 'Another tab has the audio').waitFor()
    assert.ok((await small.evaluate(() => innerWidth)) <= 420)
  })

  await scene('ways: the phonebar can be installed', {}, {}, async (page, mock) => {
    await page.goto(`${mock.url}/login`)
    const session = await page.context().newCDPSession(page)
    const { url, errors, data } = await session.send('Page.getAppManifest')
    assert.equal(url, `${mock.url}/manifest.webmanifest`)
    assert.deepEqual(errors, [])
    assert.equal(JSON.parse(data).start_url, '/phonebar')
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors')
    assert.deepEqual(installabilityErrors.map((e) => e.errorId).filter((id) => id !== 'in-incognito'), [])
  })

  await scene('ways: a notice is put away for this session and comes again in the next', seated({ notices: [licence, expiring] }), {}, async (page, mock, context) => {
    await inside(page, mock)
    const texts = await page.locator('.notice p').allInnerTexts()
    assert.deepEqual(texts, [expiring.sentence, licence.sentence])
    await button(page, `Dismiss this notice: ${licence.sentence}`).click()
    await notice(page, licence.sentence).waitFor({ state: 'detached' })
    await page.reload()
    await notice(page, expiring.sentence).waitFor()
    assert.equal(await page.locator('.notice').count(), 1)
    await button(page, 'Change it now').click()
    await field(page, 'Your password of now').fill('right')
    await field(page, 'New password').fill('Sunny-Day7')
    await field(page, 'Repeat the new password').fill('Sunny-Day7')
    await page.keyboard.press('Enter')
    await page.getByText('Your password is changed.').waitFor()
    assert.deepEqual(sent(mock, 'POST /api/password').map((r) => r.body), [{ old: 'right', new: 'Sunny-Day7' }])
    const another = await context.newPage()
    await another.goto(`${mock.url}/`)
    await notice(another, licence.sentence).waitFor()
  })

  await scene('ways: idle: announced, «Stay» stays; a call takes the warning away', seated(), {}, async (page, mock) => {
    await inside(page, mock)
    const soon = () => mock.push({ type: 'login_ends_soon', why: 'idle', at: Date.now() + 120_000 })
    soon()
    await page.getByRole('alert').filter({ hasText: 'You will be logged out at' }).waitFor()
    await page.mouse.move(300, 300)
    await page.mouse.move(310, 310)
    assert.equal(sent(mock, 'POST /api/me/active').length, 0, 'a pointer may be on its way')
    await button(page, 'Stay').focus()
    await button(page, 'Stay').click()
    await button(page, 'Stay').waitFor({ state: 'detached' })
    assert.equal(sent(mock, 'POST /api/me/active')[0].csrf, 'word')
    // Whoever goes on working need not answer.
    soon()
    await button(page, 'Stay').waitFor()
    await page.keyboard.press('Shift')
    await button(page, 'Stay').waitFor({ state: 'detached' })
    soon()
    await button(page, 'Stay').waitFor()
    mock.push({ type: 'activity', activity: 'ringing', peer: '+4969', since: Date.now() })
    await button(page, 'Stay').waitFor({ state: 'detached' })
    mock.push({ type: 'login_ends_soon', why: 'longest', at: Date.now() + 120_000 })
    await page.getByText('as long as is allowed').waitFor()
    assert.equal(await button(page, 'Stay').count(), 0)
  })

  await scene('ways: the phone dies and comes back: told with since when', seated(), {}, async (page, mock) => {
    await inside(page, mock)
    mock.push({ type: 'presence', state: 'not_ready', reason: 'phone_unreachable', since: Date.now() })
    await page.getByText('cannot be reached').waitFor()
    await page.locator('.pill', { hasText: 'Not ready' }).waitFor()
    await page.getByText(/Since \d\d:\d\d\. Calls do not ring/).waitFor()
    mock.push({ type: 'presence', state: 'ready', reason: null, since: Date.now() })
    await page.locator('.pill', { hasText: 'Ready' }).waitFor()
    await page.getByText('Your phone is back').waitFor()
  })

  await scene('ways: that wasn’t me: asked once, by keyboard, told what happened', seated(), {}, async (page, mock) => {
    await inside(page, mock)
    mock.push({ ...takenOver, at: Date.now() })
    await button(page, 'That wasn’t me').focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('alertdialog', { name: 'Was it somebody else?' })
    await dialog.waitFor()
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    assert.equal(sent(mock, 'POST /api/login/not-me').length, 0)
    await button(page, 'That wasn’t me').click()
    await dialog.getByRole('button', { name: 'That wasn’t me' }).click()
    await page.getByText('your account is locked').waitFor()
    assert.deepEqual(sent(mock, 'POST /api/login/not-me').map((r) => r.csrf), ['word'])
    assert.equal(await button(page, 'That wasn’t me').count(), 0)
  })

  await scene('ways: my factors: another app with its codes, new codes, away with one; each asks for the password', seated({ factors: [app, key] }), {}, async (page, mock) => {
    await inside(page, mock)
    await button(page, 'Second factor').click()
    await page.getByText('9 recovery codes are left.').waitFor()
    await button(page, 'New recovery codes').click()
    await field(page, 'Password').fill('right')
    await page.keyboard.press('Enter')
    await page.getByLabel('I have put them').check()
    await button(page, 'Done').click()
    await button(page, 'Remove Laptop of the front desk').click()
    await field(page, 'Password').fill('right')
    await page.keyboard.press('Enter')
    await page.getByText('It is taken away.').waitFor()
    await until(async () => (await page.locator('.factors b', { hasText: 'Laptop of the front desk' }).count()) === 0, 'the list is fresh')
    assert.deepEqual(mock.state.requests.find((r) => r.door === 'DELETE /api/factors/2').body, { password: 'right' })
  })

  await scene('ways: whoever has no password of ours shows a code instead', seated({ factors: [app], factorRules: { confirm: 'code' } }), {}, async (page, mock) => {
    await inside(page, mock)
    await button(page, 'Second factor').click()
    await button(page, 'Remove Authenticator app').click()
    await page.getByLabel('Code from your authenticator app').fill('123 456')
    await page.keyboard.press('Enter')
    await until(() => mock.state.requests.some((r) => r.door === 'DELETE /api/factors/1'), 'asked')
    assert.deepEqual(mock.state.requests.find((r) => r.door === 'DELETE /api/factors/1').body, { code: '123456' })
  })

  await scene('ways: the only factor of a role that demands one has no button to remove it', seated({ factors: [app], factorRules: { required: true } }), {}, async (page, mock) => {
    await inside(page, mock)
    await button(page, 'Second factor').click()
    await page.getByText('9 recovery codes are left.').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Remove' }).count(), 0)
  })

  await scene('ways: that wasn’t me, also after a reload of the page that was thrown out', seated(), {}, async (page, mock) => {
    await inside(page, mock)
    mock.state.me = { status: 401, body: { reason: 'login_ended', ...takenOver, at: Date.now() } }
    await page.reload()
    await button(page, 'That wasn’t me').click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'That wasn’t me' }).click()
    await page.getByText('your account is locked').waitFor()
    assert.deepEqual(sent(mock, 'POST /api/login/not-me').map((r) => r.csrf), ['word'])
  })

  await scene('ways: who is more than an agent finds the administration, an agent does not', { agent: boss }, {}, async (page, mock) => {
    await logIn(page, mock)
    const link = page.getByRole('link', { name: 'Administration' })
    await link.waitFor()
    assert.equal(await link.getAttribute('href'), '/admin')
    mock.state.agent = { ...ann, role: 'agent' }
    await page.reload()
    await page.getByRole('option').first().waitFor()
    assert.equal(await link.count(), 0)
  })

  await scene('ways: the word of the session is newer in another window: learnt, and sent again', seated(), {}, async (page, mock) => {
    await inside(page, mock)
    let refused = 0
    await page.route('**/api/login', (route) => {
      if (refused > 0) return route.continue()
      refused += 1
      return route.fulfill({ status: 403, json: { reason: 'csrf_failed', sentence: 'This page is out of date.' } })
    })
    await page.evaluate(() => 0)
    mock.state.me = null
    await page.route('**/api/me', async (route) => { const answer = await route.fetch(); await route.fulfill({ response: answer, json: { ...(await answer.json()), csrf: 'newer' } }) })
    await button(page, 'Log out').click()
    await page.getByText('You are logged out.').waitFor()
    assert.equal(sent(mock, 'DELETE /api/login').at(-1).csrf, 'newer')
  })
}
