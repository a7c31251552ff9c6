// Takes the pictures of docs/img: a floor with ready computers, one that stopped and one on its way.
// Usage (root): SELFTEST_IMAGE=… node pictures.mjs NSBOOT-BINARY FOLDER
import { chromium } from '@playwright/test';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const [binary, folder] = process.argv.slice(2).map((p) => resolve(p));
if (!binary || !folder || !process.env.SELFTEST_IMAGE) {
  console.error('Usage (root): SELFTEST_IMAGE=$(../scripts/lab-image.sh selftest) node pictures.mjs NSBOOT-BINARY FOLDER');
  process.exit(2);
}
const data = mkdtempSync(join(tmpdir(), 'nsboot-pictures-'));
const base = 'http://127.0.0.1:3177';
const password = 'a sentence to sign in with';
const server = spawn(binary, ['serve', '--data', data, '--listen', base.slice(7), '--lab', '--lab-image', process.env.SELFTEST_IMAGE],
  { stdio: 'ignore', env: { ...process.env, NSBOOT_ADMIN_PASSWORD: password, NSBOOT_LOG: 'error' } });
const nsboot = (...args) => execFileSync(binary, [...args, '--data', data], { encoding: 'utf8' });
const json = (...args) => JSON.parse(nsboot(...args, '-o', 'json'));

async function until(what, look, seconds = 180) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    let seen;
    try { seen = await look(); } catch { /* not there yet */ }
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await new Promise((r) => setTimeout(r, 200));
  }
}
const boot = (name) => json('client', 'ls').find((c) => c.name === name)?.last_boot;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  await until('the image', () => json('image', 'ls').some((i) => i.state === 'ready'));
  for (const name of ['pc-01', 'pc-02', 'pc-03']) {
    nsboot('lab', 'boot', '--name', name);
    await until(`${name} to be ready`, () => boot(name)?.state === 'ready');
  }
  nsboot('lab', 'boot', '--name', 'pc-04');
  nsboot('client', 'set', 'pc-04', '--image', '');
  await until('pc-04 to stop', () => boot('pc-04')?.state === 'stopped');
  nsboot('lab', 'boot', '--name', 'pc-05');

  const page = await browser.newPage({ viewport: { width: 1280, height: 760 } });
  await page.goto(`${base}/login`);
  await page.getByLabel('User name').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('banner').getByText('Live', { exact: true }).waitFor();
  await until('pc-05 on its way to the disk', () => boot('pc-05')?.hops.some((h) => h.hop === 'disk' && h.state === 'now'));
  for (const [name, scheme, width, height] of [['light', 'light', 1280, 760], ['dark', 'dark', 1280, 760], ['phone', 'light', 390, 1000]]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: join(folder, `floor-${name}.png`) });
  }
} finally {
  await browser.close();
  server.kill('SIGTERM');
  await new Promise((r) => server.once('exit', r));
  rmSync(data, { recursive: true, force: true });
}
