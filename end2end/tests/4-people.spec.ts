// Who may do what, and what was done: activity, users, one's own account, and what a role does not see.
import { expect, test, type Browser, type Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { accessible, complaints, hydrated, onFloor, open, signIn, url } from '../fixtures/page';

const ada = { name: 'ada', password: 'ada looks at the floor' };

/** A page of its own, signed in as somebody. */
async function as(browser: Browser, who: { name: string; password: string }): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await open(page, '/login');
  await page.getByLabel('User name').fill(who.name);
  await page.getByLabel('Password', { exact: true }).fill(who.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await onFloor(page);
  return page;
}

/** The line of an account, opened. */
async function account(page: Page, name: string) {
  await open(page, '/users');
  const line = page.locator(`li[data-user=${name}]`);
  await line.locator('summary').first().click();
  await expect(line.getByLabel('User name')).toBeVisible();
  return line;
}

test.describe.configure({ mode: 'serial' });

test('the log is checked as a job, live in the stream, and exported', async ({ page }) => {
  const errors = complaints(page);
  await signIn(page);
  await open(page, '/activity');
  await expect(page.locator('.stream')).toContainText('admin signed in');
  await page.getByRole('button', { name: 'Check the log' }).click();
  const job = page.locator('li[data-job]').first();
  await expect(job.locator('.st').first()).toContainText('Done');
  // A row that is drawn anew while it is opened is closed again.
  await expect(async () => {
    await job.locator('summary').click();
    await expect(job.locator('dl')).toContainText('intact', { timeout: 2_000 });
  }).toPass();
  await expect(job.locator('dl')).toContainText('true');
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export' }).click()]);
  const lines = readFileSync(await file.path(), 'utf8').trim().split('\n').map((l) => JSON.parse(l));
  expect(lines.map((l) => l.action)).toContain('auth.login');
  expect(lines.map((l) => l.seq)).toEqual([...lines.map((l) => l.seq)].sort((a, b) => a - b));
  expect(errors).toEqual([]);
});

test('the stream says the same before any script, and filters by its address', async ({ page }) => {
  await signIn(page);
  const html = await (await page.request.get(url('/activity?show=changes'))).text();
  expect(html).toContain('admin signed in');
  await open(page, '/activity?show=jobs');
  await expect(page.locator('li[data-entry]')).toHaveCount(0);
  await expect(page.locator('li[data-job]').first()).toBeVisible();
  await page.getByRole('navigation', { name: 'What is shown' }).getByRole('link', { name: 'Changes' }).click();
  await expect(page.locator('li[data-entry]').first()).toBeVisible();
  await expect(page.locator('li[data-job]')).toHaveCount(0);
});

test('an admin adds a user, who then sees no button that changes anything', async ({ page, browser }) => {
  // Nine pages are loaded, one after the other: on a busy machine that took nearly a minute.
  test.slow();
  await signIn(page);
  await open(page, '/users');
  await page.getByText('Add a user…').click();
  const form = page.locator('details.pop[open] form');
  await form.getByLabel('User name').fill(ada.name);
  await form.getByLabel('Password', { exact: true }).fill(ada.password);
  await form.getByRole('button', { name: 'Add user' }).click();
  await expect(page.locator('li[data-user=ada]')).toContainText('Viewer');
  await page.getByText('Add a user…').click();
  await expect(form.getByLabel('User name')).toHaveValue('');
  await expect(form.getByLabel('Password', { exact: true })).toHaveValue('');

  const hers = await as(browser, ada);
  await expect(hers.getByText('Add a computer…')).toHaveCount(0);
  await expect(hers.getByRole('button', { name: 'Boot a virtual computer' })).toHaveCount(0);
  await expect(hers.getByRole('navigation').first().getByRole('link', { name: 'Users' })).toHaveCount(0);
  await open(hers, '/images');
  await expect(hers.getByText('Upload an image')).toHaveCount(0);
  await expect(hers.getByText('Delete…')).toHaveCount(0);
  await open(hers, '/activity');
  await expect(hers.locator('li[data-job]').first()).toBeVisible();
  await expect(hers.locator('li[data-entry]')).toHaveCount(0);
  await expect(hers.getByRole('button', { name: 'Check the log' })).toHaveCount(0);
  const answer = await hers.goto(url('/users'));
  expect(answer?.status()).toBe(403);
  await hydrated(hers);
  await expect(hers.getByRole('heading', { level: 1 })).toHaveText('Only admins see the users');
  await accessible(hers);

  // What the page does not offer is refused as well, and the refusal is in the log.
  const tried = await hers.evaluate(async () => (await fetch('/fn/clients/add', {
    method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'name=x&mac=52:54:00:00:00:99&image=&mode=reset',
  })).status);
  expect(tried).toBe(403);
  await open(page, '/activity?show=refused');
  await expect(page.locator('.stream')).toContainText('ada asked for what needs the role Operator');
  await hers.context().close();
});

test('the last admin keeps the role, and the page says why', async ({ page }) => {
  await signIn(page);
  const line = await account(page, 'admin');
  await line.getByLabel('Role', { exact: true }).selectOption('viewer');
  await line.getByRole('button', { name: 'Save' }).click();
  await expect(line.getByRole('alert')).toContainText('last administrator');
  await line.getByText('Remove…', { exact: true }).last().click();
  await line.getByRole('button', { name: 'Remove admin' }).click();
  await expect(line.getByRole('alert').last()).toContainText('last administrator');
});

test('a token is made, its secret shown once, and it works until it is removed', async ({ page, playwright }) => {
  await signIn(page);
  await open(page, '/account');
  await page.getByText('Make a token…').click();
  const form = page.locator('details.pop[open] form');
  await form.getByLabel('Name').fill('script');
  await form.getByRole('button', { name: 'Make token' }).click();
  const secret = await page.getByLabel('Secret').inputValue();
  expect(secret.length).toBeGreaterThan(20);
  await page.getByRole('button', { name: 'Copy' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  await expect(page.locator('tr[data-token=script]')).toContainText('Viewer');
  const script = await playwright.request.newContext({ extraHTTPHeaders: { authorization: `Bearer ${secret}` } });
  expect((await script.get(url('/api/v1/clients'))).status()).toBe(200);
  await open(page, '/account');
  await expect(page.getByLabel('Secret')).toHaveCount(0);
  expect(await page.content()).not.toContain(secret);
  const row = page.locator('tr[data-token=script]');
  await row.getByText('Remove…').click();
  await row.getByRole('button', { name: 'Remove script' }).click();
  await expect(row).toHaveCount(0);
  expect((await script.get(url('/api/v1/clients'))).status()).toBe(401);
});

test("one's own password and sign-ins", async ({ browser }) => {
  const first = await as(browser, ada);
  const second = await as(browser, ada);
  await open(second, '/account');
  // An earlier sign-in of hers may live, too.
  await expect(second.locator('tr[data-session]').nth(1)).toBeVisible();
  await expect(second.locator('tr[data-session]').first()).toContainText('Chrome on Linux');
  await second.getByRole('button', { name: 'End all others' }).click();
  await expect(second.locator('tr[data-session]')).toHaveCount(1);
  // Nobody has to load anything: the page hears at once that its session has ended.
  await first.waitForURL('**/login');
  await second.getByLabel('Current password').fill('not this one');
  await second.getByLabel('New password').fill('ada has a new sentence');
  await second.getByRole('button', { name: 'Change password' }).click();
  await expect(second.getByRole('alert')).toContainText('NSB-');
  await second.getByLabel('Current password').fill(ada.password);
  await second.getByRole('button', { name: 'Change password' }).click();
  await expect(second.getByText('Changed. Your other sign-ins have ended.')).toBeVisible();
  await expect(second.getByLabel('Current password')).toHaveValue('');
  await expect(second.getByLabel('New password')).toHaveValue('');
  ada.password = 'ada has a new sentence';
  await (await as(browser, ada)).context().close();
  await first.context().close();
  await second.context().close();
});

test('the drawer shows a running job on every page, its bar moving, and asks it to stop', async ({ page }) => {
  let tell: ((done: number, over?: boolean) => void) | undefined;
  await signIn(page);
  await page.routeWebSocket('**/api/v1/ws?*', (ws) => {
    ws.connectToServer();
    let revision = 0;
    tell = (done, over = false) => ws.send(JSON.stringify({ kind: 'delta', seq: 1_000_000 + revision, event: { type: 'job_changed', job: {
      id: '01900000-0000-7000-8000-000000000001', kind: 'image.verify', title: 'Check the image base', state: over ? 'succeeded' : 'running',
      actor: { kind: 'user', name: 'admin' }, created_at: new Date().toISOString(), started_at: null, finished_at: null, unit: 'items',
      done, total: 40, cancel_requested: false, items: [], result: null, problem: null, log: [], revision: ++revision } } }));
  });
  await open(page, '/network');
  await expect(page.getByRole('banner').getByText('Live', { exact: true })).toBeVisible();
  const drawer = page.locator('.drawer');
  tell!(10);
  await expect(drawer.locator('summary')).toContainText('1');
  await drawer.locator('summary').focus();
  await page.keyboard.press('Enter');
  await expect(drawer).toContainText('Check the image base');
  await expect(drawer.getByRole('progressbar')).toHaveJSProperty('value', 10);
  tell!(30);
  await expect(drawer.getByRole('progressbar')).toHaveJSProperty('value', 30);
  await expect(drawer.getByRole('button', { name: 'Cancel: Check the image base' })).toBeVisible();
  await accessible(page);
  tell!(40, true);
  await expect(drawer).toContainText('Nothing is running.');
});

test('a user is removed after a second step that says what is lost', async ({ page }) => {
  await signIn(page);
  const line = await account(page, 'ada');
  await line.getByText('Remove…', { exact: true }).last().click();
  await expect(line).toContainText("ada can't sign in any more");
  await line.getByRole('button', { name: 'Remove ada' }).click();
  await expect(line).toHaveCount(0);
});
