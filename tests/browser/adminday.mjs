// A day of those who look after others, against a running Hotseat (`hotseat dev`): an agent locked out by wrong passwords is
// let in again, a login is ended in the middle of a call, a phone is freed, a site is logged out, a supervisor and an
// engineer see their share, and the audit log tells all of it.
//
// node adminday.mjs starts a development world of its own (the program of the debug build; HOTSEAT= names another).
// HOTSEAT_SHOTS=folder keeps pictures.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { launch, report } from './browser.mjs'
import { startWorld } from './devworld.mjs'
import { enterCredentials, openPage, pickPhone, waitForState, waitUntilIn } from './e2e.mjs'

const shots = process.env.HOTSEAT_SHOTS
if (shots) mkdirSync(shots, { recursive: true })
const out = report()
const world = await startWorld()
const browser = await launch()
const { base } = world
const row = (page, name) => page.getByRole('row').filter({ hasText: name })
const button = (page, name) => page.getByRole('button', { name, exact: true })
const shot = async (page, name) => { if (shots) await page.screenshot({ path: join(shots, `day-${name}.png`) }) }

/** Sits down at a phone, in a browser of their own. */
async function sits(login, phone) {
  const { username, password } = { username: login, password: world.person(login).password }
  const { page, context } = await openPage(browser)
  await enterCredentials(page, { base, username, password })
  await pickPhone(page, phone)
  await waitUntilIn(page)
  return { page, context }
}

/** Opens the administrators' pages: the login comes by itself, and the way back. */
async function looksAfter(login, path = '/admin') {
  const opened = await openPage(browser)
  const { page } = opened
  await page.goto(base + path)
  await page.getByLabel('Agent Username').fill(login)
  await page.getByLabel('Password', { exact: true }).fill(world.person(login).password)
  await page.keyboard.press('Enter')
  await page.getByRole('navigation', { name: 'Administration' }).waitFor()
  return opened
}

/** One attempt from the login page of somebody whom this browser does not know. */
async function tries(page, username, password) {
  for (;;) {
    const answer = await page.evaluate(async ([username, password]) => {
      const answer = await fetch('/api/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username, password }) })
      return { status: answer.status, ...(await answer.json()) }
    }, [username, password])
    if (answer.reason !== 'too_many_attempts') return answer
    // The door slows strangers down before it closes.
    await new Promise((done) => setTimeout(done, answer.retry_after_s * 1_000 + 200))
  }
}

async function confirm(page, name, yes) {
  const question = page.getByRole('alertdialog', { name })
  await question.waitFor()
  const said = await question.innerText()
  await question.getByRole('button', { name: yes, exact: true }).click()
  return said
}

let boss
try {
  await out.test('an administrator needs no telephone, and comes back to where they wanted to be', async () => {
    boss = await looksAfter('admin', '/admin/agents?show=out')
    await row(boss.page, 'Ann Archer').waitFor()
    assert.equal(new URL(boss.page.url()).pathname + new URL(boss.page.url()).search, '/admin/agents?show=out')
    await shot(boss.page, 'agents')
  })

  await out.test('an agent blocked by wrong passwords is unlocked in the page', async () => {
    const stranger = await openPage(browser)
    await stranger.page.goto(`${base}/login`)
    let answer
    for (let i = 0; i < 20 && answer?.reason !== 'blocked'; i += 1) answer = await tries(stranger.page, 'ben', `wrong ${i}`)
    assert.equal(answer.reason, 'blocked', JSON.stringify(answer))
    assert.equal((await tries(stranger.page, 'ben', world.person('ben').password)).reason, 'blocked', 'the right one too')
    const { page } = boss
    await page.goto(`${base}/admin/agents?show=blocked`)
    await row(page, 'Ben Baker').click()
    await page.getByRole('dialog', { name: 'Ben Baker' }).waitFor()
    await shot(page, 'locked')
    await button(page, 'Unlock').click()
    await page.getByText('Ben Baker may log in again.').waitFor()
    await shot(page, 'unlocked')
    await page.keyboard.press('Escape')
    assert.equal((await tries(stranger.page, 'ben', world.person('ben').password)).state, 'choose_phone')
    await stranger.context.close()
  })

  await out.test('a login is ended in the middle of a call, and the page of the agent says by whom', async () => {
    const ann = await sits('ann', 'desk-17')
    world.say('call 2001')
    await waitForState(ann.page, 'In call', 20_000)
    const { page } = boss
    await page.goto(`${base}/admin/logins`)
    await row(page, 'Ann Archer').getByText('In a call').waitFor()
    await row(page, 'Ann Archer').click()
    await button(page, 'End login').click()
    const said = await confirm(page, 'End the login of Ann Archer?', 'End login')
    assert.match(said, /Ann Archer will be signed out at .*desk-17.*; the call ends\./)
    await page.getByText(/The login of Ann Archer at .* was ended\. A call ended with it\./).waitFor()
    await shot(page, 'ended')
    await ann.page.getByText('An administrator ended your login.').waitFor()
    await ann.context.close()
  })

  await out.test('a phone is freed, and is free', async () => {
    const ann = await sits('ann', 'desk-17')
    const { page } = boss
    await page.goto(`${base}/admin/phones?open=desk-17`)
    await button(page, 'Free phone').click()
    assert.match(await confirm(page, /^Free .*desk-17/, 'Free phone'), /Ann Archer will be signed out at .*desk-17/)
    await page.getByText(/is free again; the login of Ann Archer was ended\./).waitFor()
    await page.keyboard.press('Escape')
    await row(page, 'desk-17').getByText('Free', { exact: true }).waitFor()
    await ann.page.getByText('The phone you were logged in at was freed').waitFor()
    await ann.context.close()
  })

  await out.test('a supervisor ends logins, frees no phone and sees no audit log', async () => {
    const ben = await sits('ben', 'desk-18')
    const { page, context } = await looksAfter('super')
    await row(page, 'Ben Baker').waitFor()
    assert.deepEqual(await page.getByRole('navigation').getByRole('link').allInnerTexts(), ['Logins', 'Phones'])
    assert.equal(await button(page, 'Log out a site…').count(), 0)
    await page.goto(`${base}/admin/phones?open=desk-18`)
    await page.getByRole('dialog').waitFor()
    assert.equal(await button(page, 'Free phone').count(), 0)
    await page.goto(`${base}/admin/audit`)
    await page.getByText('The audit log is shown to administrators.').waitFor()
    const door = await page.evaluate(async () => {
      const answer = await fetch('/api/admin/audit')
      return { status: answer.status, reason: (await answer.json()).reason }
    })
    assert.deepEqual(door, { status: 403, reason: 'right_missing' })
    await page.goto(`${base}/admin/logins`)
    await row(page, 'Ben Baker').click()
    await button(page, 'End login').click()
    await confirm(page, 'End the login of Ben Baker?', 'End login')
    await ben.page.getByText('ended your login').waitFor()
    await context.close()
    await ben.context.close()
  })

  await out.test('a site is logged out after the dry run has said who', async () => {
    const ann = await sits('ann', 'desk-17')
    const ben = await sits('ben', 'desk-18')
    const { page } = boss
    await page.goto(`${base}/admin/logins`)
    await row(page, 'Ben Baker').waitFor()
    await button(page, 'Log out a site…').click()
    await page.getByRole('dialog').getByRole('combobox').selectOption('Frankfurt')
    await button(page, 'Show who').click()
    await page.getByText('2 people will be signed out; nobody is in a call.').waitFor()
    await shot(page, 'site')
    await button(page, 'Log out 2 people').click()
    await page.getByText('2 logins were ended at Frankfurt.').waitFor()
    await button(page, 'Close').click()
    await page.getByText('Nobody is logged in.').waitFor()
    for (const each of [ann, ben]) {
      await each.page.getByText('An administrator logged out everybody at your site.').waitFor()
      await each.context.close()
    }
  })

  await out.test('a temporary password lets in once, and to nothing but a new one', async () => {
    const { page } = boss
    await page.goto(`${base}/admin/agents?open=dan`)
    await button(page, 'New temporary password').click()
    await confirm(page, 'New temporary password for Dan Dyer?', 'Make a new password')
    const made = (await page.locator('.once code').innerText()).trim()
    await button(page, 'Done').click()
    await page.getByText('must be changed at the next login').waitFor()
    const stranger = await openPage(browser)
    await stranger.page.goto(`${base}/login`)
    assert.equal((await tries(stranger.page, 'dan', world.person('dan').password)).status, 401)
    assert.equal((await tries(stranger.page, 'dan', made)).state, 'change_password')
    await stranger.context.close()
  })

  await out.test('one cannot change one’s own account', async () => {
    const { page } = boss
    await page.goto(`${base}/admin/agents?open=admin`)
    await page.getByText('This is your own account').waitFor()
    assert.equal(await button(page, 'Disable').count(), 0)
  })

  await out.test('the audit log tells all of it, filtered and as CSV', async () => {
    const { page } = boss
    await page.goto(`${base}/admin/audit?who=admin`)
    for (const what of ['Agent unlocked', 'Login ended', 'Phone freed', 'Site logout', 'Password set']) await row(page, what).first().waitFor()
    await shot(page, 'audit')
    // What was refused is there as well: the supervisor at a closed door, the stranger with the wrong passwords.
    await page.goto(`${base}/admin/audit?who=super&outcome=right_missing`)
    await row(page, 'Administration').waitFor()
    await page.goto(`${base}/admin/audit?who=ben&outcome=wrong_credentials`)
    await row(page, 'Login').first().waitFor()
    await page.goto(`${base}/admin/audit?who=ben&what=agent_unlocked`)
    await row(page, 'Agent unlocked').waitFor()
    assert.equal(await page.getByRole('row').count(), 2)
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export CSV' }).click()])
    const chunks = []
    for await (const chunk of await download.createReadStream()) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    assert.match(text, /^number,at,who,from,what,outcome,whom,detail\n/)
    assert.match(text, /admin,127\.0\.0\.1,agent_unlocked,done,ben/)
    assert.equal(text.trim().split('\n').length, 2)
  })

  await out.test('security, licence and certificates are read from the running service', async () => {
    const { page } = boss
    await page.goto(`${base}/admin/security`)
    await page.getByRole('region', { name: 'What each role may do' }).waitFor()
    assert.match(await page.getByRole('region', { name: 'Wrong passwords' }).innerText(), /Wrong attempts allowed\s+10\s+Locked for\s+15 minutes/)
    await shot(page, 'security')
    await page.goto(`${base}/admin/licence`)
    await page.getByText('community edition').waitFor()
    await shot(page, 'licence')
  })

  await out.test('the pages of an administrator were quiet in the console', async () => {
    // The login page was left while its stream was still being opened.
    assert.deepEqual(boss.complaints.filter((line) => !/WebSocket connection to/.test(line)), [])
  })
} finally {
  await browser.close()
  await world.stop()
}
process.exit(out.end())
