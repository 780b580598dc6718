// The ways in and out against a real Hotseat (`hotseat serve`, see `servedworld.mjs`), in a real Chromium: what plain HTTP says,
// blocked cookies, second factors with an app's codes, a passkey and a recovery code, a forgotten password with and without mail.
//
// node ways-in.mjs     HOTSEAT= names another program than the debug build; SHOTS=folder keeps pictures; ONLY=word.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { launch, person, report, watchConsole } from './browser.mjs'
import { answerQuestion, ask, enterCredentials, logOut, outcome, TAKEN_OVER } from './e2e.mjs'
import { serveWorld } from './servedworld.mjs'
import { startMail } from './smtp.mjs'

const FIRST = 'Given-By-Boss1'
const OWN = 'Sunny-Harbour7'
const only = process.env.ONLY ?? ''
const shots = process.env.SHOTS
if (shots) mkdirSync(shots, { recursive: true })

const button = (page, name) => page.getByRole('button', { name, exact: true })
const field = (page, name) => page.getByLabel(name, { exact: true })
const heading = (page, name) => page.getByRole('heading', { name })

/** RFC 6238 with the values every app uses: SHA-1, six digits, thirty seconds. */
function totp(secret, at = Date.now()) {
  const bits = [...secret.replace(/[\s=]/g, '').toUpperCase()].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((b) => parseInt(b, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)))
  const mac = createHmac('sha1', key).update(counter).digest()
  const offset = mac[19] & 15
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** Plain HTTP, without a browser's help. */
function plain(url, options = {}) {
  return new Promise((done, fail) => {
    const sent = request(url, options, (response) => {
      let text = ''
      response.on('data', (chunk) => { text += chunk })
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, text }))
    })
    sent.on('error', fail)
    sent.end()
  })
}

const agents = ['ada', 'ben', 'cleo', 'dan', 'eve', 'fay', 'gus', 'hal'].map((name, i) => ({
  args: [name, '--extension', String(2001 + i), '--typology', 'webrtc', '--name', name[0].toUpperCase() + name.slice(1)], password: FIRST,
}))
const CONTACT = 'The help desk, extension 2999'
const world = await serveWorld({ agents, security: { '': { contact: `"${CONTACT}"` } } })
const { base } = world
const who = (username, password = FIRST) => ({ base, username, password })
const out = report()
const browser = await launch()

/** A person with a browser of their own, and a quiet console at the end. */
async function scene(name, body, options = {}) {
  if (only && !name.includes(only)) return
  await out.test(name, async () => {
    const context = await person(browser, { viewport: { width: 1280, height: 800 }, ...options })
    context.setDefaultTimeout(10_000)
    const page = await context.newPage()
    const complaints = watchConsole(page)
    try {
      await body(page, context)
      assert.deepEqual(complaints.filter((line) => !/WebSocket connection to/.test(line)), [], 'the console is quiet')
    } catch (error) {
      if (shots) await page.screenshot({ path: join(shots, `failed-${name.replace(/\W+/g, '-').slice(0, 60)}.png`) }).catch(() => {})
      throw error
    } finally {
      await context.close()
    }
  })
}
const shoot = (page, name) => (shots ? page.screenshot({ path: join(shots, `${name}.png`) }) : null)

async function chooseNew(page, password) {
  await field(page, 'New password').fill(password)
  await field(page, 'Repeat the new password').fill(password)
  await button(page, 'Change password').click()
}

/** In, with a new password where one is asked for; gives back the one that is good from now on. */
async function firstIn(page, name) {
  await enterCredentials(page, who(name))
  const asked = heading(page, 'Choose a new password')
  await asked.or(button(page, 'Log out')).first().waitFor()
  const password = (await asked.isVisible()) ? OWN : FIRST
  if (password === OWN) await chooseNew(page, OWN)
  await button(page, 'Log out').waitFor()
  return password
}

await scene('plain HTTP: a page leads to https, the API says what to do, and neither is a riddle', async (page) => {
  const moved = await plain(`${world.http}/login?next=%2Fhelp`, { headers: { host: 'evil.example' } })
  assert.deepEqual([moved.status, moved.headers.location], [308, `${base}/login?next=%2Fhelp`], 'to the name that is configured')
  const api = await plain(`${world.http}/api/login`, { method: 'POST' })
  assert.equal(api.status, 403)
  assert.equal(JSON.parse(api.text).reason, 'insecure_transport')
  assert.match(JSON.parse(api.text).sentence, /HTTPS/)
  await page.goto(`${world.http}/login`)
  await field(page, 'Agent Username').waitFor()
  assert.equal(page.url(), `${base}/login`)
  await page.getByRole('link', { name: 'Help with sign-in' }).click()
  for (const words of ['Not secure', 'https://', 'Advanced', 'proceed', 'proper certificate']) await page.getByText(words).first().waitFor()
})

await scene('a page that came without https says so, and why the microphone cannot work', async (page) => {
  // An origin without a secure context: a proxy of somebody's that speaks plain HTTP, for instance.
  await page.route('http://desk.example/**', async (route) => {
    const to = route.request().url().replace('http://desk.example', base)
    const answer = await page.request.get(to).catch(() => null)
    await (answer ? route.fulfill({ response: answer, headers: { 'content-type': answer.headers()['content-type'] ?? 'text/html' } }) : route.abort())
  })
  await page.goto('http://desk.example/login')
  assert.equal(await page.evaluate(() => isSecureContext), false)
  await page.getByText('This page came over an insecure connection, where neither the login nor the microphone work.').waitFor()
  assert.equal(await page.getByRole('link', { name: 'Open it with https://' }).getAttribute('href'), 'https://desk.example/login')
  await page.getByRole('link', { name: 'Help with sign-in' }).click()
  await page.getByText('the browser will not offer a microphone').waitFor()
})

/** A browser with a profile on disk, where cookies are set as a person sets them in the settings. */
async function withProfile(folder, cookies, body) {
  mkdirSync(join(folder, 'Default'), { recursive: true })
  const exceptions = cookies.allow ? { cookies: { [`[*.]${cookies.allow},*`]: { setting: 1 } } } : {}
  writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify({ profile: { default_content_setting_values: { cookies: cookies.standard }, content_settings: { exceptions } } }))
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--use-fake-device-for-media-stream'], ignoreHTTPSErrors: true,
    permissions: ['microphone'], locale: 'en-GB', viewport: { width: 1280, height: 800 },
  })
  context.setDefaultTimeout(10_000)
  try {
    await body(await context.newPage())
  } finally {
    await context.close()
  }
}

if (!only || 'cookies'.includes(only)) {
  await out.test('cookies are blocked in the settings: the popup with its three steps; allowed for this site and reloaded, the login works', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hotseat-profile-'))
    try {
      await withProfile(folder, { standard: 2 }, async (page) => {
        await enterCredentials(page, who('gus'))
        const popup = page.getByRole('alertdialog', { name: 'Cookies must be enabled' })
        await popup.waitFor()
        const said = await popup.innerText()
        assert.match(said, /browser’s settings[\s\S]*cookies[\s\S]*allow them for localhost:\d+[\s\S]*Reload this page/)
        await shoot(page, 'cookies-blocked')
        await popup.getByRole('button', { name: 'OK' }).click()
        await popup.waitFor({ state: 'detached' })
        // Again, and told again: nothing got in.
        await enterCredentials(page, who('gus'))
        await popup.waitFor()
        assert.equal((await ask(page, '/api/me')).status, 401)
      })
      await withProfile(folder, { standard: 2, allow: 'localhost' }, async (page) => {
        await enterCredentials(page, who('gus'))
        // The first attempts were logins that nobody could keep; whoever sits there is asked, as always.
        if ((await outcome(page)) === 'question') await answerQuestion(page, true)
        await button(page, 'Log out').waitFor()
        await page.reload()
        await logOut(page)
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}

// From here on with Security Suite.
world.reload({ passwords: { profile: '"suite"' }, lockout: { attempts: '4', minutes: '0' } })

await scene('the first login leads to the new password and to nothing else; then in, and with the old one never again', async (page) => {
  await enterCredentials(page, who('ada'))
  await heading(page, 'Choose a new password').waitFor()
  await page.getByText('This is your first login.').waitFor()
  for (const path of ['/phonebar', '/admin', '/anywhere', '/']) {
    await page.goto(base + path)
    await heading(page, 'Choose a new password').waitFor()
  }
  for (const path of ['/api/phones', '/api/sip?tab=x', '/api/factors']) {
    const { status, body } = await ask(page, path)
    assert.deepEqual([path, status, body.reason], [path, 403, 'password_change_required'])
  }
  const upgrade = await page.evaluate(() => new Promise((done) => {
    const ws = new WebSocket(`wss://${location.host}/api/events`)
    ws.onopen = () => done('open')
    ws.onerror = () => done('refused')
  }))
  assert.equal(upgrade, 'refused')
  await shoot(page, 'first-login')
  // What the page ticks and what the server says agree.
  await chooseNew(page, 'Password1!')
  await page.locator('.tick-failed', { hasText: 'common' }).waitFor()
  await chooseNew(page, OWN)
  await button(page, 'Log out').waitFor()
  await logOut(page)
  await enterCredentials(page, who('ada'))
  assert.notEqual(await outcome(page), 'in')
  await enterCredentials(page, who('ada', OWN))
  assert.equal(await outcome(page), 'in')
  await logOut(page)
})

await scene('a rule that is open in the page is open at the server, and the other way round', async (page) => {
  await enterCredentials(page, who('ben'))
  await heading(page, 'Choose a new password').waitFor()
  const { body: { rules } } = await ask(page, '/api/password/rules')
  assert.ok(rules.length >= 7)
  const csrf = (await ask(page, '/api/me')).body.csrf
  for (const typed of ['short', 'nouppercase-1', 'NOLOWERCASE-1', 'No-Digits-Here', 'NoSpecial1', 'No*Special(1)', 'Ünïcödé-x', 'ñandú-ÑANDÚ', FIRST]) {
    await field(page, 'New password').fill(typed)
    const here = new Set()
    for (const rule of rules) {
      const look = await page.locator('.tick', { hasText: rule.text.slice(0, 24) }).first().getAttribute('class')
      if (look.includes('tick-open')) here.add(rule.id)
    }
    const there = await page.evaluate(async ([word, password]) => {
      const response = await fetch('/api/password', { method: 'POST', headers: { 'content-type': 'application/json', 'x-hotseat-csrf': word }, body: JSON.stringify({ new: password }) })
      return (await response.json()).failed ?? []
    }, [csrf, typed])
    for (const id of ['length', 'lower', 'upper', 'digit', 'special']) assert.equal(here.has(id), there.includes(id), `${id} of ${typed}`)
    if (typed === FIRST) assert.deepEqual([here.has('not_old'), there.includes('not_old')], [true, true])
  }
  await chooseNew(page, OWN)
  await button(page, 'Log out').waitFor()
})

await scene('a new password of one’s own accord, from the desk', async (page) => {
  await enterCredentials(page, who('cleo'))
  await chooseNew(page, OWN)
  await button(page, 'Change password').click()
  await field(page, 'Your password of now').fill('not this one')
  await field(page, 'New password').fill('Quiet-Meadow8')
  await field(page, 'Repeat the new password').fill('Quiet-Meadow8')
  await page.keyboard.press('Enter')
  await page.locator('.message-error').waitFor()
  await field(page, 'Your password of now').fill(OWN)
  await page.keyboard.press('Enter')
  await page.getByText('Your password is changed.').waitFor()
  await button(page, 'Close').click()
  await logOut(page)
  await enterCredentials(page, who('cleo', 'Quiet-Meadow8'))
  assert.equal(await outcome(page), 'in')
})

await scene('a second factor: set up from the desk with a picture, asked for at the next login, by app, by recovery code, by passkey', async (page, context) => {
  const password = await firstIn(page, 'dan')
  await button(page, 'Second factor').click()
  await button(page, 'Add an authenticator app').click()
  await field(page, 'Password').fill(password)
  await page.keyboard.press('Enter')
  const picture = page.getByAltText('QR code for your authenticator app')
  await picture.waitFor()
  assert.ok(await picture.evaluate((img) => img.complete && img.naturalWidth > 0), 'the picture is one')
  await shoot(page, 'qr')
  await button(page, 'The picture cannot be scanned').click()
  const secret = await page.locator('.secret').innerText()
  await page.getByLabel('The six digits').fill('000000')
  await page.keyboard.press('Enter')
  await page.locator('.message-error').waitFor()
  await page.getByLabel('The six digits').fill(totp(secret))
  await page.keyboard.press('Enter')
  await heading(page, 'Keep your recovery codes').waitFor()
  const codes = await page.locator('.codes code').allInnerTexts()
  assert.ok(codes.length >= 8 && new Set(codes).size === codes.length)
  await page.getByLabel('I have put them').check()
  await button(page, 'Done').click()
  await page.getByText(`${codes.length} recovery codes are left.`).waitFor()

  // A passkey beside it, in an authenticator that the browser pretends to have.
  const devtools = await context.newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  await devtools.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } })
  await button(page, 'Add a passkey').click()
  await field(page, 'Password').fill(password)
  await page.keyboard.press('Enter')
  await page.getByText('The passkey is set up.').waitFor()
  await button(page, 'Close').click()
  await logOut(page)

  await enterCredentials(page, who('dan', password))
  await heading(page, 'Is it really you?').waitFor()
  assert.equal((await ask(page, '/api/sip?tab=x')).body.reason, 'second_factor_required')
  await page.keyboard.type('000000')
  await page.keyboard.press('Enter')
  await page.locator('.message-error').waitFor()
  // The next code: the one of the setup is used.
  await page.getByLabel('Code from your authenticator app').fill(totp(secret, Date.now() + 30_000))
  await page.keyboard.press('Enter')
  await button(page, 'Log out').waitFor()
  await logOut(page)

  await enterCredentials(page, who('dan', password))
  await button(page, 'Use a recovery code').click()
  await field(page, 'One of your recovery codes').fill(codes[3].toUpperCase())
  await page.keyboard.press('Enter')
  await button(page, 'Log out').waitFor()
  await logOut(page)

  await enterCredentials(page, who('dan', password))
  await button(page, 'Use a passkey').click()
  await button(page, 'Log out').waitFor()
  await button(page, 'Second factor').click()
  await page.getByText(`${codes.length - 1} recovery codes are left.`).waitFor()
})

await scene('wrong too often: blocked, also with the right password, and told whom to ask; unlocked by the command line', async (page) => {
  for (let i = 0; i < 5; i += 1) {
    await enterCredentials(page, who('fay', `wrong ${i}`))
    await page.locator('.message-error').waitFor()
  }
  await enterCredentials(page, who('fay'))
  await page.locator('.message-error', { hasText: /administrator/ }).waitFor()
  await shoot(page, 'blocked')
  // The same for a name that nobody has.
  const known = await page.locator('.message-error').innerText()
  for (let i = 0; i < 5; i += 1) {
    await enterCredentials(page, who('nobody-here', `wrong ${i}`))
    await page.locator('.message-error').waitFor()
  }
  await enterCredentials(page, who('nobody-here', 'whatever'))
  await page.locator('.message-error', { hasText: /administrator/ }).waitFor()
  assert.equal(await page.locator('.message-error').innerText(), known)
  world.run(['agents', 'unlock', 'fay'])
  await enterCredentials(page, who('fay'))
  await heading(page, 'Choose a new password').waitFor()
})

await scene('thrown out, and it was somebody else: the new login ends, the account is blocked, both pages say so', async (page) => {
  const password = await firstIn(page, 'eve')
  const thief = await person(browser)
  try {
    const other = await thief.newPage()
    other.setDefaultTimeout(10_000)
    await enterCredentials(other, who('eve', password))
    assert.equal(await outcome(other), 'question')
    await answerQuestion(other, true)
    await button(other, 'Log out').waitFor()
    await heading(page, TAKEN_OVER).waitFor()
    await page.reload()
    await button(page, 'That wasn’t me').click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'That wasn’t me' }).click()
    await page.locator('.message-good').waitFor()
    await shoot(page, 'not-me')
    await other.getByRole('button', { name: 'Log in again' }).waitFor()
    await enterCredentials(other, who('eve', password))
    await other.locator('.message-error', { hasText: /administrator/ }).waitFor()
  } finally {
    await thief.close()
  }
})

await scene('the globe of the phonebar opens the desktop, logged in; its ticket is worth nothing a second time', async (page, context) => {
  await firstIn(page, 'hal')
  await page.goto(`${base}/phonebar`)
  await page.locator('.pill', { hasText: 'Ready' }).waitFor()
  const minted = page.waitForResponse('**/api/ticket')
  const opened = context.waitForEvent('page')
  await button(page, 'Open the desktop').click()
  const { url, expires_in_s } = await (await minted).json()
  assert.equal(expires_in_s, 60)
  assert.ok(url.startsWith(`${base}/t#`), url)
  const desktop = await opened
  await button(desktop, 'Log out').waitFor()
  assert.equal(desktop.url(), `${base}/`)
  // The small window goes on, and what it does from now on is done with the newer session.
  await page.locator('.pill', { hasText: 'Ready' }).waitFor()
  const stranger = await person(browser)
  try {
    const other = await stranger.newPage()
    await other.goto(url)
    await field(other, 'Agent Username').waitFor()
    assert.equal(other.url(), `${base}/login`)
    await other.locator('.message-error').waitFor()
    await shoot(other, 'ticket-used')
  } finally {
    await stranger.close()
  }
  await logOut(page)
  await desktop.getByText(/logged out|log in/i).first().waitFor()
})

await scene('forgotten, where no mail can be sent: whom to ask', async (page) => {
  await page.goto(`${base}/login`)
  await page.getByRole('link', { name: 'Forgot Password?' }).click()
  await heading(page, 'Please ask your administrator').waitFor()
  await page.getByText(CONTACT).waitFor()
  assert.equal((await page.evaluate(async () => (await fetch('/api/forgot', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"email":"a@b.example"}' })).status)), 409)
})

await scene('forgotten: a letter, its link, a new password; whoever was logged in is out, and the link is worth nothing any more', async (page) => {
  const mail = await startMail()
  try {
    world.configure('mail.toml', `host = "127.0.0.1"\nport = ${mail.port}\ntls = "none"\nfrom = "hotseat@example.com"\n`)
    world.run(['agents', 'import', '-'], `login_name,extension,typology,email,password\nida,2050,webrtc,ida@example.com,${FIRST}\n`)
    const elsewhere = await page.context().browser().newContext({ ignoreHTTPSErrors: true })
    const desk = await elsewhere.newPage()
    await firstIn(desk, 'ida')
    await page.goto(`${base}/login`)
    await page.getByRole('link', { name: 'Forgot Password?' }).click()
    const answers = []
    for (const email of ['nobody@example.com', 'Ida@example.com']) {
      await page.goto(`${base}/forgot`)
      await field(page, 'Your e-mail address').fill(email)
      await button(page, 'Send the link').click()
      await heading(page, 'Look into your mail').waitFor()
      answers.push(await page.locator('main').innerText())
    }
    assert.equal(answers[0], answers[1])
    const end = Date.now() + 15_000
    while (mail.letters.length === 0) {
      assert.ok(Date.now() < end, 'a letter comes')
      await page.waitForTimeout(100)
    }
    const link = /https:\/\/\S+\/reset#[\w-]+/.exec(mail.letters[0].text)?.[0]
    assert.ok(link?.startsWith(`${base}/reset#`), mail.letters[0].text)
    await page.goto(link)
    assert.match(await page.getByRole('timer').innerText(), /^(59:\d\d|1:00:00)$/)
    await shoot(page, 'reset')
    // Another look uses nothing up.
    await page.reload()
    await field(page, 'New password').fill('Harvest-Moon9')
    await field(page, 'Repeat the new password').fill('Harvest-Moon9')
    await button(page, 'Save the new password').click()
    await heading(page, 'Your password is changed.').waitFor()
    await button(desk, 'Log in again').waitFor()
    await elsewhere.close()
    await page.goto('about:blank')
    await page.goto(link)
    await heading(page, 'This link works no more.').waitFor()
    await enterCredentials(page, who('ida', 'Harvest-Moon9'))
    assert.equal(await outcome(page), 'in')
  } finally {
    mail.close()
  }
})

await browser.close()
await world.stop()
process.exit(out.end())
