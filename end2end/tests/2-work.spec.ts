// What an admin does: upload an image, add a computer, change it, boot a virtual one to Login.
import { expect, test } from '@playwright/test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { complaints, hydrated, open, signIn } from '../fixtures/page';

test.beforeEach(async ({ page }) => signIn(page));

test('an upload shows its progress and lands in the list', async ({ page }) => {
  const errors = complaints(page);
  const file = join(process.env.E2E_DATA!, 'upload.raw');
  writeFileSync(file, Buffer.alloc(24 << 20, 'nsboot'));
  await open(page, '/images');
  // What the progress bar said, each time it changed.
  await page.evaluate(() => {
    const seen: number[] = ((window as any).seen = []);
    new MutationObserver(() => {
      // The form's own: the drawer shows the upload as a job, with a bar, too.
      const bar = document.querySelector<HTMLProgressElement>('[aria-labelledby=upload] progress');
      if (bar) seen.push(bar.value);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  const form = page.getByRole('region', { name: 'Upload an image' });
  await form.getByLabel('Name').fill('uploaded');
  await form.getByLabel('File').setInputFiles(file);
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  await expect(page.getByText('Upload complete')).toBeVisible({ timeout: 30_000 });
  const row = page.locator('tr[data-image=uploaded]');
  await expect(row).toContainText('Ready');
  await expect(row).toContainText('24 MiB');
  const seen: number[] = await page.evaluate(() => (window as any).seen);
  expect(seen.length).toBeGreaterThan(1);
  expect(Math.max(...seen)).toBeGreaterThan(0);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(errors).toEqual([]);
});

test('a computer is added and edited', async ({ page }) => {
  await page.getByText('Add a computer…').click();
  const form = page.locator('details[open] form');
  await form.getByLabel('Name').fill('bench-1');
  await form.getByLabel('MAC address').fill('52-54-00-AA-00-01');
  await form.getByLabel('Image').selectOption({ label: 'uploaded' });
  await form.getByRole('button', { name: 'Add computer' }).click();
  const row = page.locator('tr[data-client=bench-1]');
  await expect(row).toContainText('52:54:00:aa:00:01');
  await expect(row).toContainText('uploaded');
  await row.getByRole('link', { name: 'bench-1' }).click();
  await page.getByText('Edit…').click();
  const edit = page.locator('details[open] form');
  await edit.getByLabel('Name').fill('bench-2');
  await edit.getByLabel('Changes on the disk').selectOption('keep');
  await edit.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('bench-2');
  await expect(page.locator('dd', { hasText: 'Kept' })).toBeVisible();
});

test('an admin who opened the form before another one saved does not overwrite that', async ({ page, context }) => {
  await page.locator('tr[data-client=bench-2]').getByRole('link').click();
  await page.getByText('Edit…').click();
  const mine = page.locator('details[open] form');
  await mine.getByLabel('Changes on the disk').selectOption('reset');
  const other = await context.newPage();
  await other.goto(page.url());
  await hydrated(other);
  await other.getByText('Edit…').click();
  await other.locator('details[open] form').getByLabel('Name').fill('bench-3');
  await other.getByRole('button', { name: 'Save' }).click();
  // The other's change is shown here too, before mine is sent.
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('bench-3');
  await mine.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('alert')).toContainText('NSB-');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('bench-3');
});

test('an image in use is not deleted, and the page says why', async ({ page }) => {
  await open(page, '/images');
  const row = page.locator('tr[data-image=uploaded]');
  await row.getByText('Delete…').click();
  await row.getByRole('button', { name: 'Delete uploaded' }).click();
  await expect(row.getByRole('alert')).toContainText('NSB-IMAGE');
});

test('an upload goes on by itself after a connection that broke', async ({ page }) => {
  const file = join(process.env.E2E_DATA!, 'again.raw');
  writeFileSync(file, Buffer.alloc(1 << 20, 'nsboot'));
  await open(page, '/images');
  let broken = 0;
  await page.route('**/api/v1/uploads/*', (route) =>
    route.request().method() === 'PATCH' && broken++ === 0 ? route.abort('connectionreset') : route.continue());
  const form = page.getByRole('region', { name: 'Upload an image' });
  await form.getByLabel('Name').fill('again');
  await form.getByLabel('File').setInputFiles(file);
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  await expect(page.getByText('Upload complete')).toBeVisible({ timeout: 30_000 });
  expect(broken).toBe(2);
  const row = page.locator('tr[data-image=again]');
  await expect(row).toContainText('Ready');
  await row.getByText('Delete…').click();
  await row.getByRole('button', { name: 'Delete again' }).click();
  await expect(row).toHaveCount(0);
});

test('a name that is taken is refused before the upload, case aside', async ({ page }) => {
  await open(page, '/images');
  const form = page.getByRole('region', { name: 'Upload an image' });
  await form.getByLabel('Name').fill('UPLOADED');
  await form.getByLabel('File').setInputFiles(join(process.env.E2E_DATA!, 'upload.raw'));
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('There is an image named UPLOADED');
});

test('a bad MAC address is refused under the form, with what was typed kept', async ({ page }) => {
  await page.getByText('Add a computer…').click();
  const form = page.locator('details[open] form');
  await form.getByLabel('Name').fill('typo');
  await form.getByLabel('MAC address').fill('52:54:00');
  await form.getByRole('button', { name: 'Add computer' }).click();
  await expect(page.getByRole('alert')).toContainText('NSB-CLIENT');
  await expect(form.getByLabel('Name')).toHaveValue('typo');
});

test('a computer that is removed is gone, after a second step that names it', async ({ page }) => {
  await page.locator('tr[data-client=bench-3]').getByRole('link').click();
  await page.getByText('Remove…').click();
  await page.getByRole('button', { name: 'Remove bench-3' }).click();
  await page.waitForURL('**/floor');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.locator('tr[data-client=bench-3]')).toHaveCount(0);
});

test('the page says when it lost the server, and is live again by itself', async ({ page }) => {
  // The socket goes through the test, which cuts it: what a pulled cable looks like to the page.
  let cut: (() => Promise<void>) | undefined;
  let refuse = false;
  await page.routeWebSocket('**/api/v1/ws?*', (ws) => {
    if (refuse) { void ws.close(); return; }
    ws.connectToServer();
    cut = () => ws.close();
  });
  await open(page, '/floor');
  const banner = page.getByRole('banner');
  await expect(banner.getByText('Live', { exact: true })).toBeVisible();
  refuse = true;
  await cut!();
  await expect(banner.getByText(/Reconnecting, last update \d+ s ago/)).toBeVisible();
  await expect(page.locator('main[data-stale]')).toHaveCount(1);
  refuse = false;
  await expect(banner.getByText('Live', { exact: true })).toBeVisible({ timeout: 15_000 });
  await expect(page.locator('main[data-stale]')).toHaveCount(0);
});

test('a page that does not understand the server loads itself anew once, and then stays lost', async ({ page }) => {
  // A server of a later version, as far as the page can tell.
  let sockets = 0;
  await page.routeWebSocket('**/api/v1/ws?*', (ws) => {
    sockets += 1;
    setTimeout(() => ws.send('{"kind":"of_a_later_version"}'), 50);
  });
  await open(page, '/floor');
  // One for the page, one for the page that was loaded anew.
  await expect.poll(() => sockets).toBe(2);
  await expect(page.getByRole('banner').getByText(/Reconnecting, last update \d+ s ago/)).toBeVisible();
  // Longer than several of the pauses between tries.
  await page.waitForTimeout(4_000);
  expect(sockets).toBe(2);
});

test('a virtual computer boots to Login, its rail moving by WebSocket frames', async ({ page }) => {
  const can = process.env.E2E_CAN_BOOT;
  if (process.env.NSBOOT_LIVE) expect(can, 'root, /dev/net/tun and SELFTEST_IMAGE').toBeTruthy();
  test.skip(!can, 'needs root, QEMU and SELFTEST_IMAGE');
  test.setTimeout(180_000);
  const frames: string[] = [];
  page.on('websocket', (socket) => socket.on('framereceived', (f) => frames.push(String(f.payload))));
  await open(page, '/floor');
  const before = await page.locator('tr[data-client]').count();
  // Each state that a rail showed, in the order it was drawn.
  await page.evaluate(() => {
    const seen: string[] = ((window as any).rails = []);
    new MutationObserver(() => {
      for (const rail of document.querySelectorAll('tr[data-client] .rail')) {
        const now = [...rail.children].map((i) => (i as HTMLElement).dataset.p).join(' ');
        if (seen.at(-1) !== now) seen.push(now);
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  await page.getByRole('button', { name: 'Boot a virtual computer' }).click();
  await expect(page.locator('tr[data-client]')).toHaveCount(before + 1, { timeout: 30_000 });
  const row = page.locator('tr[data-client]', { has: page.locator('i[data-p=now], i[data-p=done]') }).first();
  await expect(row.locator('.st')).toContainText('Ready', { timeout: 150_000 });
  expect(frames.filter((f) => f.includes('"boot_changed"')).length).toBeGreaterThan(4);
  const rails: string[] = await page.evaluate(() => (window as any).rails);
  expect(rails.length).toBeGreaterThan(4);
  await row.getByRole('link').click();
  await expect(page.getByRole('heading', { name: 'Boots', exact: true })).toBeVisible();
  await expect(page.locator('.hops').first()).toContainText(/Login\s*\d+\.\d s/);
});
