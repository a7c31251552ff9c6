// Every page with data in it, light and dark, desk and phone: no fault by axe, nothing sideways.
// E2E_SHOTS=folder keeps a picture of each.
import { expect, test } from '@playwright/test';
import { hydrated, look as lookAt, open, signIn, themes, url, widths } from '../fixtures/page';

for (const theme of themes) {
  for (const [width, height] of widths) {
    test(`${theme} at ${width}`, async ({ page }) => {
      test.setTimeout(120_000);
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width, height });
      const look = (name: string) => lookAt(page, `${name}-${theme}-${width}`, name !== 'floor');
      await open(page, '/login');
      await look('login');
      await signIn(page);
      await expect(page.getByRole('banner').getByText('Live', { exact: true })).toBeVisible();
      await look('floor');
      const link = page.locator('tr[data-client] a').first();
      await link.click();
      await expect(page.getByRole('heading', { name: 'Boots', exact: true })).toBeVisible();
      await look('computer');
      for (const name of ['boot', 'images', 'storage', 'loaders', 'firmware', 'network', 'activity', 'users', 'account']) {
        await open(page, `/${name}`);
        await look(name);
      }
      await open(page, '/users');
      await page.locator('.stream summary').first().click();
      await look('user');
      for (const [name, path] of [['missing', '/nothing-here'], ['no-computer', '/floor/00000000-0000-0000-0000-000000000000']]) {
        await page.goto(url(path));
        await hydrated(page);
        await look(name);
      }
    });
  }
}

test('the theme is kept and comes with the page, before any script', async ({ page }) => {
  await signIn(page);
  await page.getByRole('banner').locator('summary', { hasText: 'admin' }).click();
  await page.getByRole('button', { name: 'Dark' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  const html = await (await page.request.get(url('/floor'))).text();
  expect(html).toContain('data-theme="dark"');
});
