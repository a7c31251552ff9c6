// The first visitor makes an account with the one-time code, and comes back with the password.
import { expect, test } from '@playwright/test';
import { accessible, complaints, fits, hydrated, onFloor, open, signIn, url, user } from '../fixtures/page';

test('without an account every page leads to the first-run page', async ({ page }) => {
  await page.goto(url('/images'));
  await expect(page).toHaveURL(/\/setup$/);
  // What needs the WASM is pale until it is there.
  await hydrated(page);
  await accessible(page);
});

test('a wrong code is refused in words and makes no account', async ({ page }) => {
  await open(page, '/setup');
  await page.getByLabel('One-time code').fill('wrong-code');
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByRole('alert')).toContainText('NSB-');
  await expect(page.getByLabel('Password', { exact: true })).toHaveValue(user.password);
});

test('the code of the link and one typed password make the account', async ({ page }) => {
  const errors = complaints(page);
  expect(process.env.E2E_LINK, 'the link that serve printed').toContain(`#code=${process.env.E2E_CODE}`);
  await open(page, process.env.E2E_LINK!);
  await expect(page.getByLabel('One-time code')).toHaveValue(process.env.E2E_CODE!);
  const password = page.getByLabel('Password', { exact: true });
  await password.fill(user.password);
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(password).toHaveAttribute('type', 'text');
  await page.getByRole('button', { name: 'Create account' }).click();
  await onFloor(page);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('banner').getByText('Live', { exact: true })).toBeVisible();
  expect(errors).toEqual([]);
});

test('signing in works, with a wrong password refused', async ({ page }) => {
  await open(page, '/login');
  await fits(page);
  await page.getByLabel('User name').fill(user.name);
  await page.getByLabel('Password', { exact: true }).fill('not this one');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await signIn(page);
});

test('signing out closes every page, also by the keyboard', async ({ page }) => {
  await signIn(page);
  await page.getByText(user.name, { exact: true }).first().focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Sign out' }).focus();
  await page.keyboard.press('Enter');
  // The end of the session closes the page's connection, too, and the two ways to the login may meet.
  await expect(page).toHaveURL(/\/login$/);
  await hydrated(page);
  await page.goto(url('/floor'));
  await expect(page).toHaveURL(/\/login$/);
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });
  test('signing in and the floor work', async ({ page }) => {
    await page.goto(url('/login'));
    await page.getByLabel('User name').fill(user.name);
    await page.getByLabel('Password', { exact: true }).fill(user.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page).toHaveURL(/\/floor$/);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  });
});
