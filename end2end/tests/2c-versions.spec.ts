// The life of an image by its page: a virtual computer changes it, that becomes a version, and the channels move.
import { expect, test, type Page } from '@playwright/test';
import { complaints, look, open, signIn, themes, widths } from '../fixtures/page';

test.describe.configure({ mode: 'serial' });

const version = (page: Page, number: number) => page.locator(`li[data-version="${number}"]`);
const channel = (page: Page, name: string) => page.locator(`[data-channel="${name}"]`);

/** A call of the API with the session of the page. */
const call = (page: Page, path: string, body?: unknown) =>
  page.evaluate(async ([path, body]) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`/api/v1${path}`, { method: 'POST', headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  }, [path, body] as const);

async function image(page: Page) {
  await open(page, '/images');
  await page.getByRole('link', { name: 'self-test' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'self-test' })).toBeVisible();
}

/** Opens a version's line and puts a channel on it. */
async function move(page: Page, number: number, to: string) {
  const line = version(page, number);
  if (!await line.locator('details').first().getAttribute('open').then((open) => open !== null)) {
    await line.locator('summary').first().click();
  }
  await line.getByRole('button', { name: `Make it ${to}` }).click();
  await expect(line.locator('.tag', { hasText: to })).toBeVisible();
}

test.beforeEach(async ({ page }) => {
  test.skip(!process.env.E2E_CAN_BOOT, 'needs root, QEMU and SELFTEST_IMAGE');
  await signIn(page);
});

test('what the superclient wrote becomes a version, is tried, promoted and taken back', async ({ page }) => {
  test.setTimeout(300_000);
  const errors = complaints(page);
  await call(page, '/lab/actions/down');
  await image(page);
  await page.getByLabel('Computer', { exact: true }).selectOption({ label: 'virtual-1' });
  // A computer that was switched off is not known to be until it leaves a question unanswered.
  await expect(async () => {
    await page.getByRole('button', { name: 'Make it the superclient' }).click();
    await expect(page.getByText('changes this image')).toBeVisible({ timeout: 2_000 });
  }).toPass({ timeout: 120_000, intervals: [2_000] });
  await expect(page.getByText('It is off and has written nothing yet.')).toBeVisible();
  await page.getByRole('button', { name: 'Apply as the next version' }).click();
  await expect(page.getByRole('alert')).toContainText('has written nothing');

  await call(page, '/lab/actions/boot', { name: 'virtual-1', firmware: 'bios' });
  await open(page, '/floor');
  await expect(page.locator('tr[data-client=virtual-1] .st').first()).toContainText('Ready', { timeout: 150_000 });
  await image(page);
  await expect(page.getByText(/^It runs, and has written/)).toBeVisible();
  await page.getByRole('button', { name: 'Apply as the next version' }).click();
  await expect(page.getByRole('alert')).toContainText('runs from its disk');
  await call(page, '/lab/actions/down');
  await expect(page.getByText(/^It is off and has written [1-9]/)).toBeVisible({ timeout: 60_000 });

  // It counts as off once nobody has used its disk for half a minute.
  await expect(async () => {
    await page.getByLabel('What it is for').first().fill('updates of May');
    await page.getByRole('button', { name: 'Apply as the next version' }).click();
    await expect(version(page, 2)).toContainText('updates of May', { timeout: 3_000 });
  }).toPass({ timeout: 120_000, intervals: [2_000] });
  await expect(channel(page, 'maintenance')).toContainText('Version 2');
  await expect(channel(page, 'production')).toContainText('Version 1');
  await expect(page.getByText('It is off and has written nothing yet.')).toBeVisible();
  await move(page, 2, 'Test');
  await expect(channel(page, 'test')).toContainText('Version 2');
  await move(page, 2, 'Production');
  await expect(channel(page, 'production')).toContainText('Version 2 · updates of May');
  await page.getByRole('button', { name: 'Revert production to version 1' }).click();
  await expect(channel(page, 'production')).toContainText('Version 1');
  await page.getByRole('button', { name: 'End superclient' }).click();
  await expect(page.getByRole('button', { name: 'Make it the superclient' })).toBeVisible();
  expect(errors.filter((e) => !e.includes('409'))).toEqual([]);
});

test('a version that is needed is not deleted, and the page says why; its purpose can be told later', async ({ page }) => {
  await image(page);
  const first = version(page, 1);
  await first.locator('summary').first().click();
  await first.getByLabel('What it is for').fill('as it came');
  await first.getByRole('button', { name: 'Save' }).click();
  await expect(first.locator('summary').first()).toContainText('as it came');
  await first.locator('summary').first().click();
  await first.getByText('Delete…').click();
  await first.getByRole('button', { name: 'Delete version 1' }).click();
  await expect(first.getByRole('alert')).toContainText('production');
});

for (const theme of themes) {
  for (const [width, height] of widths) {
    test(`an image with versions, ${theme} at ${width}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width, height });
      await image(page);
      await look(page, `image-${theme}-${width}`);
      await version(page, 2).locator('summary').first().click();
      await look(page, `image-version-${theme}-${width}`);
    });
  }
}

test('the lab is there for what comes after', async ({ page }) => {
  await call(page, '/lab/actions/boot', { name: 'virtual-1', firmware: 'bios' });
});
