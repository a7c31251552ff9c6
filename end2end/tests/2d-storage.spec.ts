// The storage page: what takes space, who uses which disk, and what is nobody's.
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type Page } from '@playwright/test';
import { complaints, look, open, signIn, themes, widths } from '../fixtures/page';

test.describe.configure({ mode: 'serial' });

const orphan = '01934c5e-7b00-7000-8000-00000000abcd';

/** A call of the API with the session of the page. */
const call = (page: Page, method: string, path: string, body?: unknown) =>
  page.evaluate(async ([method, path, body]) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  }, [method, path, body] as const);

test.beforeEach(async ({ page }) => signIn(page));

test('it says what is free, for how long, and what takes the rest', async ({ page }) => {
  const errors = complaints(page);
  await open(page, '/images');
  await page.getByRole('link', { name: 'Storage', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(/^[\d.]+ [KMGTP]iB free$/);
  await expect(page.locator('#forecast')).toContainText('When it will be full is known after a day.');
  await expect(page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Images' })).toHaveAttribute('aria-current', 'page');
  const told = await call(page, 'GET', '/storage');
  await expect(page.locator('[data-part=free] dd')).toHaveText(/iB$/);
  expect(told.free_bytes).toBeLessThan(told.total_bytes);
  await expect(page.locator('.space i').first()).toBeVisible();
  expect(errors).toEqual([]);
});

test('an orphaned overlay is shown and can be deleted, a second step between', async ({ page }) => {
  const overlays = join(process.env.E2E_DATA ?? '', 'overlays');
  // As a removal leaves it that was cut short; a real one's map where there is one.
  const map = readdirSync(overlays).find((name) => name.endsWith('.map'));
  const file = join(overlays, `${orphan}.map`);
  if (map) copyFileSync(join(overlays, map), file); else writeFileSync(file, 'not a map');
  await open(page, '/storage');
  const line = page.locator(`[data-orphan="${orphan}"]`);
  await expect(line).toBeVisible();
  await look(page, 'storage-orphan', true);
  await line.locator('summary').click();
  await expect(line.getByText('gone for good')).toBeVisible();
  await line.getByRole('button', { name: 'Delete the overlay' }).click();
  await expect(line).toBeHidden();
  await expect(page.getByRole('heading', { name: 'Orphaned overlays' })).toBeHidden();
});

test('too little space is a warning in words', async ({ page }) => {
  await open(page, '/storage');
  const set = (value: string | null) => call(page, 'PATCH', '/settings', { values: { 'storage.warn_free_percent': value } });
  await set('99');
  // It is looked at every ten seconds, and told live.
  const warning = page.getByText('Space runs out');
  await expect(warning).toBeVisible({ timeout: 20_000 });
  await expect(page.getByText('Less than 99 % is free.')).toBeVisible();
  await set('0');
  await expect(warning).toBeHidden({ timeout: 20_000 });
  await set(null);
});

test('sessions are live and can be dropped; the computer comes back by itself', async ({ page }) => {
  test.skip(!process.env.E2E_CAN_BOOT, 'needs root, QEMU and SELFTEST_IMAGE');
  test.setTimeout(200_000);
  await open(page, '/storage');
  await call(page, 'POST', '/lab/actions/down');
  await call(page, 'POST', '/lab/actions/boot', { name: 'virtual-1', firmware: 'bios' });
  const ready = async () => (await call(page, 'GET', '/clients/virtual-1')).last_boot?.state;
  await expect.poll(ready, { timeout: 150_000 }).toBe('ready');
  // The newest: that of its firmware is there until it leaves a question unanswered.
  const row = page.locator('tr[data-session]', { hasText: 'virtual-1' }).last();
  await expect(row).toContainText('iSCSI');
  const before = await row.getAttribute('data-session') ?? '';
  await row.locator('summary').click();
  await expect(row.getByText('logs in again by itself')).toBeVisible();
  await row.getByRole('button', { name: 'Drop the session' }).click();
  await expect(page.locator(`tr[data-session="${before}"]`)).toBeHidden();
  const newest = async () => Number(await row.getAttribute('data-session'));
  await expect.poll(newest, { timeout: 60_000 }).toBeGreaterThan(Number(before));
  await expect(page.locator('[data-overlay=virtual-1]')).toContainText('in use');
  for (const theme of themes) {
    for (const [width, height] of widths) {
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width, height });
      await look(page, `storage-used-${theme}-${width}`);
    }
  }
});
