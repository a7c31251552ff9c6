// Every page hydrates with what the binary alone serves.
import { expect, test } from '@playwright/test';
import { complaints, hydrated, onFloor } from '../fixtures/page';

const base = process.env.NSBOOT_URL!;

test('every page hydrates', async ({ page }) => {
  const seen = complaints(page);
  await page.goto(`${base}/login`);
  await hydrated(page);
  await page.getByLabel('User name').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(process.env.NSBOOT_TEST_PASSWORD!);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await onFloor(page);
  for (const path of ['/floor', '/boot', '/images', '/loaders', '/network', '/activity', '/users', '/account', '/no-such-page']) {
    await page.goto(`${base}${path}`);
    await hydrated(page);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  }
  const status = await page.evaluate(async () => (await fetch('/api/v1/clients', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ mac: '52:54:00:00:00:01', name: 'pc-1' }),
  })).status);
  expect(status).toBe(201);
  await page.goto(`${base}/floor`);
  await hydrated(page);
  await page.getByRole('link', { name: 'pc-1' }).first().click();
  await expect(page.getByRole('heading', { level: 1, name: 'pc-1' })).toBeVisible();
  await page.reload();
  await hydrated(page);
  // The page that is not there says so with its status; nothing else may be missing.
  expect(seen.filter((s) => !/404 \(Not Found\)/.test(s))).toEqual([]);
});
