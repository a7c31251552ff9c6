// Settings: source, preview, undo, and a change of the page's own address that is kept or goes back. A server of
// its own, whose address is a saved setting: the one of the other tests has it in its file.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { expect, test, type Page } from '@playwright/test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { accessible, complaints, fits, hydrated, onFloor, open, signIn } from '../fixtures/page';

const password = 'a sentence to sign in with';
const root = resolve(__dirname, '../..');
const binary = [process.env.NSBOOT_BIN, join(root, 'target/release/nsboot')].find((p) => p && existsSync(p))!;
const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, NSBOOT_ADMIN_PASSWORD: password, NSBOOT_LOG: 'warn' };
let data: string;
let server: ChildProcess;
let ports: number[];

const freePort = () => new Promise<number>((done) => {
  const probe = createServer();
  probe.listen(0, '127.0.0.1', () => {
    const { port } = probe.address() as { port: number };
    probe.close(() => done(port));
  });
});
const nsboot = (...args: string[]) => execFileSync(binary, [...args, '--data', data], { env, encoding: 'utf8' });
const at = (port: number, path = '') => `http://127.0.0.1:${port}${path}`;
const isThere = (port: number) => fetch(at(port, '/readyz')).then((a) => a.ok, () => false);

async function start(...args: string[]) {
  server = spawn(binary, ['serve', '--data', data, ...args], { env, stdio: 'ignore' });
}

async function stop() {
  const gone = new Promise((done) => server.once('exit', done));
  server.kill('SIGTERM');
  await gone;
}

async function signInAt(page: Page, port: number) {
  await page.goto(at(port, '/login'));
  await hydrated(page);
  await page.getByLabel('User name').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await onFloor(page);
}

async function settings(page: Page, port: number) {
  await page.goto(at(port, '/settings'));
  await hydrated(page);
  await expect(page.getByRole('heading', { name: 'Settings' })).toBeVisible();
}

test.describe.configure({ mode: 'serial' });
test.beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'nsboot-e2e-settings-'));
  ports = [await freePort(), await freePort(), await freePort()];
  // A flag says where it is, so that saving another address moves nothing yet.
  await start('--listen', `127.0.0.1:${ports[0]}`);
  await expect.poll(() => isThere(ports[0])).toBe(true);
  nsboot('setting', 'set', `http.listen=127.0.0.1:${ports[0]}`);
  await stop();
  await start();
  await expect.poll(() => isThere(ports[0])).toBe(true);
});
test.afterAll(async () => {
  await stop();
  rmSync(data, { recursive: true, force: true });
});

test('a change is previewed, made, seen in the history and undone', async ({ page }) => {
  const errors = complaints(page);
  await signInAt(page, ports[0]);
  await settings(page, ports[0]);
  const row = page.locator('[data-key="clients.unknown"]');
  await expect(row).toContainText('The default');
  await row.getByRole('combobox').selectOption('adopt');
  await page.locator('form', { has: row }).getByRole('button', { name: 'Preview…' }).click();
  const asked = page.getByRole('region', { name: 'What this changes' });
  await expect(asked).toContainText('nothing saved → adopt');
  await expect(asked).toContainText('adopted at their first boot');
  await expect(asked).not.toContainText('goes back by itself');
  await accessible(page);
  await asked.getByRole('button', { name: 'Apply' }).click();
  await expect(asked).toHaveCount(0);
  await expect(row).toContainText('Saved here');
  const change = page.locator('li[data-change="2"]');
  await expect(change).toContainText('Change 2 by admin');
  await change.getByRole('button', { name: 'Undo change 2' }).click();
  await expect(change).toContainText('Undone');
  await expect(row).toContainText('The default');
  expect(errors).toEqual([]);
});

test('what can not be is refused with the reason, and nothing is lost', async ({ page }) => {
  await signInAt(page, ports[0]);
  await settings(page, ports[0]);
  const origins = page.getByLabel('Other sites that may use the API');
  await origins.fill('wiki.example');
  await page.locator('form', { has: origins }).getByRole('button', { name: 'Preview…' }).click();
  await expect(page.getByRole('alert')).toContainText('is not an origin');
  await expect(origins).toHaveValue('wiki.example');
});

test('what is applied is what is shown, whatever was asked for meanwhile', async ({ page }) => {
  await signInAt(page, ports[0]);
  await settings(page, ports[0]);
  const held: (() => void)[] = [];
  await page.route('**/fn/settings/preview', async (route) => {
    await new Promise<void>((go) => held.push(go));
    await route.continue();
  });
  const row = page.locator('[data-key="clients.unknown"]');
  await row.getByRole('combobox').selectOption('adopt');
  await page.locator('form', { has: row }).getByRole('button', { name: 'Preview…' }).click();
  await page.getByRole('button', { name: 'Take away what is saved: Address of page and API' }).click();
  await expect.poll(() => held.length).toBe(2);
  held[0]();
  const asked = page.getByRole('region', { name: 'What this changes' });
  await expect(asked).toContainText('nothing saved → adopt');
  const sent = page.waitForRequest('**/fn/settings/change');
  await asked.getByRole('button', { name: 'Apply' }).click();
  expect((await sent).postData()).not.toContain('http.listen');
  await expect(row).toContainText('Saved here');
  held[1]();
  await expect(asked).toContainText(`127.0.0.1:${ports[0]} → nothing saved`);
});

test('a boot network is added, kept, and served no more', async ({ page }) => {
  await signInAt(page, ports[0]);
  await settings(page, ports[0]);
  await page.getByText('Add a boot network…').click();
  await page.getByLabel('Interface').fill('nsb-none7');
  await page.getByLabel('Range').fill('10.99.0.100-10.99.0.199');
  await page.locator('form', { has: page.getByLabel('Interface') }).getByRole('button', { name: 'Preview…' }).click();
  const asked = page.getByRole('region', { name: 'What this changes' });
  await expect(asked).toContainText('begins to serve nsb-none7');
  await expect(asked).toContainText('goes back by itself after 120 s');
  await asked.getByRole('button', { name: 'Apply' }).click();
  const trial = page.locator('.trial');
  await expect(trial).toContainText(/Left: [12]:\d\d/);
  await accessible(page);
  await trial.getByRole('button', { name: 'Keep it' }).click();
  await expect(trial).toHaveCount(0);
  await expect(page.locator('li[data-network="nsb-none7"]')).toContainText('10.99.0.100-10.99.0.199');
  await page.goto(at(ports[0], '/network'));
  await hydrated(page);
  await expect(page.locator('main')).toContainText('nsb-none7 does not exist here');
});

test('the page moves, is found at its new address, and kept there', async ({ page }) => {
  await signInAt(page, ports[0]);
  await settings(page, ports[0]);
  const listen = page.getByRole('textbox', { name: 'Address of page and API' });
  await listen.fill(`127.0.0.1:${ports[1]}`);
  await page.locator('form', { has: listen }).getByRole('button', { name: 'Preview…' }).click();
  await page.getByRole('region', { name: 'What this changes' }).getByRole('button', { name: 'Apply' }).click();
  const trial = page.locator('.trial');
  await trial.getByRole('link', { name: at(ports[1]) }).click();
  await page.waitForURL(at(ports[1], '/settings'));
  await hydrated(page);
  await page.locator('.trial').getByRole('button', { name: 'Keep it' }).click();
  await expect(page.locator('.trial')).toHaveCount(0);
  expect(await isThere(ports[0])).toBe(false);
});

test('a change that cuts the page off comes back by itself, and the page with it', async ({ page }) => {
  test.setTimeout(120_000);
  await signInAt(page, ports[1]);
  await settings(page, ports[1]);
  nsboot('setting', 'set', `http.listen=127.0.0.1:${ports[2]}`, '--confirm-within', '10');
  await expect(page.locator('.trial')).toBeVisible();
  expect(await isThere(ports[1])).toBe(false);
  await expect.poll(() => isThere(ports[1]), { timeout: 60_000 }).toBe(true);
  await expect(page.locator('.trial')).toHaveCount(0);
  await expect(page.locator('li[data-change]').first()).toContainText('nobody confirmed it in time');
});

test('settings look right everywhere, and a viewer changes nothing', async ({ page, browser }) => {
  await signIn(page);
  await open(page, '/settings');
  await expect(page.locator('[data-key="http.listen"]')).toContainText('nsboot.toml');
  await expect(page.getByRole('textbox', { name: 'Address of page and API' })).toBeDisabled();
  for (const [theme, width] of [['light', 1440], ['dark', 1440], ['light', 390], ['dark', 390]] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width, height: 900 });
    await accessible(page);
    await fits(page);
    if (process.env.E2E_SHOTS) {
      await page.screenshot({ path: join(process.env.E2E_SHOTS, `settings-${theme}-${width}.png`), fullPage: true });
    }
  }
  execFileSync(binary, ['user', 'add', 'vera', '--role', 'viewer', '--data', data], { env, input: 'vera only looks here\n' });
  const other = await (await browser.newContext()).newPage();
  await other.goto(at(ports[1], '/login'));
  await hydrated(other);
  await other.getByLabel('User name').fill('vera');
  await other.getByLabel('Password', { exact: true }).fill('vera only looks here');
  await other.getByRole('button', { name: 'Sign in' }).click();
  await onFloor(other);
  await settings(other, ports[1]);
  await expect(other.getByRole('button', { name: 'Preview…' })).toHaveCount(0);
  await expect(other.getByRole('button', { name: /^Undo/ })).toHaveCount(0);
});
