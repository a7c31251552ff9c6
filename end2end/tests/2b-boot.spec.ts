// What an operator does with boot entries, groups, one-shots, addresses and loader sets; then the same lists, filled, by axe.
import { expect, test, type Page } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { complaints, look, open, signIn, themes, url, user, widths } from '../fixtures/page';

test.describe.configure({ mode: 'serial' });

/** The form that stands open. */
const opened = (page: Page) => page.locator('details.pop[open] form');
const entry = (page: Page, name: string) => page.locator(`li[data-entry="${name}"]`);
const group = (page: Page, name: string) => page.locator(`li[data-group="${name}"]`);
const scope = (page: Page, name: string) =>
  page.getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) });
const reservation = (page: Page, address: string) => page.locator('tr', { has: page.getByRole('rowheader', { name: address, exact: true }) });
const set = (page: Page, name: string) => page.locator(`tr[data-set="${name}"]`);

/** A call of the API with the session of the page. */
const call = (page: Page, method: string, path: string, body: unknown) =>
  page.evaluate(async ([method, path, body]) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
  }, [method, path, body] as const);

async function computer(page: Page, name: string) {
  await open(page, '/floor');
  await page.locator(`tr[data-client="${name}"]`).getByRole('link', { name }).click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
}

/** What the page of a computer says that it boots. */
const choice = (page: Page) => page.getByRole('region', { name: 'What it boots' });

test('a boot entry is made and changed, and its form is empty again', async ({ page }) => {
  const errors = complaints(page);
  await signIn(page);
  await open(page, '/boot');
  await page.getByText('Add a kernel…').click();
  const form = opened(page);
  await form.getByLabel('Name').fill('tool');
  await form.getByLabel('Kernel', { exact: true }).fill('tool-1/vmlinuz');
  await form.getByLabel('Initial RAM disks').fill('tool-1/initrd\ntool-1/extra');
  await form.getByRole('button', { name: 'Add boot entry' }).click();
  await expect(entry(page, 'tool')).toContainText('tool-1/vmlinuz');
  await expect(entry(page, 'tool')).toContainText('Not in the folder loaders: tool-1/vmlinuz, tool-1/initrd, tool-1/extra');
  await expect(form.getByLabel('Name')).toHaveValue('');
  await entry(page, 'tool').locator('summary').first().click();
  await expect(entry(page, 'tool').getByLabel('Initial RAM disks')).toHaveValue('tool-1/initrd\ntool-1/extra');
  await entry(page, 'tool').getByLabel('Kernel', { exact: true }).fill('tool-2/vmlinuz');
  await entry(page, 'tool').getByRole('button', { name: 'Save' }).click();
  await expect(entry(page, 'tool').locator('summary').first()).toContainText('tool-2/vmlinuz');
  expect(errors).toEqual([]);
});

test('a name that is taken is refused under its form, with what was typed kept', async ({ page }) => {
  await signIn(page);
  await open(page, '/boot');
  await page.getByText('Add a script…').click();
  const form = opened(page);
  await form.getByLabel('Name').fill('TOOL');
  await form.getByLabel('iPXE script').fill('shell');
  await form.getByRole('button', { name: 'Add boot entry' }).click();
  await expect(form.getByRole('alert')).toContainText('NSB-');
  await expect(form.getByLabel('iPXE script')).toHaveValue('shell');
});

test('a computer that follows a group boots what the group says', async ({ page }) => {
  const errors = complaints(page);
  await signIn(page);
  await page.getByText('Add a computer…').click();
  await opened(page).getByLabel('Name').fill('bench-9');
  await opened(page).getByLabel('MAC address').fill('52:54:00:aa:00:09');
  await opened(page).getByRole('button', { name: 'Add computer' }).click();
  await expect(page.locator('tr[data-client="bench-9"]')).toBeVisible();
  await open(page, '/boot');
  await page.getByText('Add a group…').click();
  await opened(page).getByLabel('Name').fill('row-a');
  await opened(page).getByLabel('Boot entry').selectOption({ label: 'tool' });
  await opened(page).getByRole('button', { name: 'Add group' }).click();
  await expect(group(page, 'row-a')).toContainText('computers: 0');
  await computer(page, 'bench-9');
  await expect(choice(page)).toContainText('it has no image');
  await page.getByText('Change what it boots…').click();
  await opened(page).getByLabel('Group').selectOption({ label: 'row-a' });
  await opened(page).getByRole('button', { name: 'Save' }).click();
  await expect(choice(page)).toContainText('Nothing: tool needs files that are not in the folder loaders: tool-2/vmlinuz');
  await choice(page).getByText('Why', { exact: true }).click();
  await expect(choice(page).getByRole('row', { name: /^Group tool/ })).toHaveAttribute('aria-current', 'true');
  await open(page, '/boot');
  await expect(group(page, 'row-a')).toContainText('computers: 1');
  expect(errors).toEqual([]);
});

test('what somebody needs is not removed, and the page says who', async ({ page }) => {
  await signIn(page);
  await open(page, '/boot');
  for (const [line, name] of [[entry(page, 'tool'), 'tool'], [group(page, 'row-a'), 'row-a']] as const) {
    await line.locator('summary').first().click();
    await line.getByText('Remove…').click();
    await line.getByRole('button', { name: `Remove ${name}` }).click();
    await expect(line.getByRole('alert')).toContainText(name === 'tool' ? 'row-a' : 'bench-9');
  }
});

test('a one-shot is set and taken back, and the page says each', async ({ page }) => {
  await signIn(page);
  await computer(page, 'bench-9');
  await page.getByLabel('The next time only').selectOption({ label: 'local' });
  await choice(page).getByRole('button', { name: 'Set', exact: true }).click();
  await expect(choice(page)).toContainText('It starts from the disk in the computer.');
  await page.getByLabel('The next time only').selectOption({ label: 'As always' });
  await choice(page).getByRole('button', { name: 'Set', exact: true }).click();
  await expect(choice(page)).toContainText('Nothing: tool needs files that are not in the folder loaders: tool-2/vmlinuz');
});

test('a one-shot is gone from the page when the computer has booted it', async ({ page }) => {
  test.skip(!process.env.E2E_CAN_BOOT, 'needs root, QEMU and SELFTEST_IMAGE');
  test.setTimeout(180_000);
  await signIn(page);
  const row = page.locator('tr[data-client]', { hasText: 'self-test' }).first();
  const name = (await row.getByRole('link').first().textContent())!.trim();
  await computer(page, name);
  await page.getByLabel('The next time only').selectOption({ label: 'local' });
  await choice(page).getByRole('button', { name: 'Set', exact: true }).click();
  await expect(choice(page)).toContainText('It starts from the disk in the computer.');
  await call(page, 'POST', `/lab/actions/down?name=${name}`, undefined);
  await call(page, 'POST', '/lab/actions/boot', { name, firmware: 'bios' });
  await expect(page.getByLabel('The next time only')).toHaveValue('', { timeout: 120_000 });
  await expect(choice(page)).toContainText('It starts from its network disk');
  await call(page, 'POST', `/lab/actions/down?name=${name}`, undefined);
});

test('a computer is retired, and adopted again by one click', async ({ page }) => {
  await signIn(page);
  await computer(page, 'bench-9');
  await page.getByText('Retire…').click();
  await page.getByRole('button', { name: 'Retire it' }).click();
  await expect(choice(page)).toContainText('Nothing: it is retired.');
  await open(page, '/floor');
  const retired = page.getByRole('region', { name: 'Retired' }).getByRole('listitem').filter({ hasText: '52:54:00:aa:00:09' });
  await retired.getByRole('button', { name: 'Adopt' }).click();
  await expect(page.locator('tr[data-client="bench-9"]')).toBeVisible();
  await expect(retired).toHaveCount(0);
});

test('a subnet behind relays is added and changed, and what can not be is refused', async ({ page }) => {
  const errors = complaints(page);
  await signIn(page);
  await open(page, '/network');
  await page.getByText('Add a subnet behind relays…').click();
  const form = opened(page);
  await form.getByLabel('Name', { exact: true }).fill('room-2');
  await form.getByLabel('Subnet').fill('10.20.0.0/24');
  await form.getByLabel('Range').fill('10.20.0.50-10.20.0.99');
  await form.getByRole('button', { name: 'Add subnet' }).click();
  await expect(scope(page, 'room-2')).toContainText('10.20.0.50-10.20.0.99');
  await expect(form.getByLabel('Subnet')).toHaveValue('');
  await scope(page, 'room-2').getByText('Edit…').click();
  const edit = scope(page, 'room-2').locator('details[open] form').first();
  // Nobody said one here.
  await expect(edit.getByLabel('Lease time, seconds')).toHaveValue('');
  await edit.getByLabel('Range').fill('10.20.0.50-10.20.0.99, 10.20.0.99-10.20.0.120');
  await edit.getByRole('button', { name: 'Save' }).click();
  await expect(scope(page, 'room-2').getByRole('alert')).toContainText('write them as one');
  await edit.getByLabel('Range').fill('10.20.0.50-10.20.0.120');
  await edit.getByLabel('Domain').fill('lab.example');
  await edit.getByRole('button', { name: 'Save' }).click();
  await expect(scope(page, 'room-2')).toContainText('lab.example');
  await expect(scope(page, 'room-2')).toContainText('10.20.0.50-10.20.0.120');
  expect(errors.filter((e) => !/422/.test(e))).toEqual([]);
});

test('an address is reserved, and the reservation changed', async ({ page }) => {
  await signIn(page);
  await open(page, '/network');
  await page.getByText('Reserve an address…').click();
  await opened(page).getByLabel('MAC address').fill('52:54:00:aa:00:77');
  await opened(page).getByLabel('Address', { exact: true }).fill('10.20.0.9');
  await opened(page).getByLabel('Host name').fill('desk-9');
  await opened(page).getByRole('button', { name: 'Reserve address' }).click();
  const row = reservation(page, '10.20.0.9');
  await expect(row).toContainText('desk-9');
  await row.getByText('Edit…').click();
  await row.getByLabel('Host name').fill('desk-10');
  await row.getByRole('button', { name: 'Save' }).click();
  await expect(row).toContainText('desk-10');
});

test('a loader set is uploaded, chosen, and kept while it is chosen', async ({ page }) => {
  const errors = complaints(page);
  const folder = join(process.env.E2E_DATA!, 'set');
  mkdirSync(folder, { recursive: true });
  for (const name of ['undionly.kpxe', 'snponly.efi', 'ipxe.efi']) writeFileSync(join(folder, name), name);
  const archive = join(process.env.E2E_DATA!, 'e2e-1.tar.gz');
  execFileSync('tar', ['czf', archive, '-C', folder, '.']);
  await signIn(page);
  await open(page, '/loaders');
  await page.getByLabel('Name').fill('e2e-1');
  await page.getByLabel('Archive').setInputFiles(archive);
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  await expect(set(page, 'e2e-1')).toContainText('UEFI, 64 bit');
  await computer(page, 'bench-9');
  await page.getByText('Change what it boots…').click();
  await opened(page).getByLabel('Loader set').selectOption('e2e-1');
  await opened(page).getByRole('button', { name: 'Save' }).click();
  // What is drawn anew while it is opened is closed again.
  await expect(async () => {
    await choice(page).getByText('Why', { exact: true }).click();
    const own = choice(page).getByRole('row', { name: /^This computer e2e-1/ });
    await expect(own).toHaveAttribute('aria-current', 'true', { timeout: 2_000 });
  }).toPass();
  await open(page, '/loaders');
  await set(page, 'e2e-1').getByText('Delete…').click();
  await set(page, 'e2e-1').getByRole('button', { name: 'Delete e2e-1' }).click();
  await expect(page.getByRole('alert')).toContainText('bench-9');
  await set(page, 'e2e-1').getByText('Make default…').click();
  await set(page, 'e2e-1').getByRole('button', { name: 'Make e2e-1 the default' }).click();
  await expect(set(page, 'e2e-1').getByText('Default', { exact: true })).toBeVisible();
  await call(page, 'PATCH', '/settings', { values: { 'clients.loader_set': null } });
  await expect(set(page, 'e2e-1').getByText('Default', { exact: true })).toHaveCount(0);
  expect(errors.filter((e) => !/409/.test(e))).toEqual([]);
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('an entry and a group are made and removed', async ({ page }) => {
    await page.goto(url('/login'));
    await page.getByLabel('User name').fill(user.name);
    await page.getByLabel('Password', { exact: true }).fill(user.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page).toHaveURL(/\/floor$/);
    await page.goto(url('/boot'));
    await page.getByText('Add a script…').click();
    await opened(page).getByLabel('Name').fill('plain');
    await opened(page).getByLabel('iPXE script').fill('shell');
    await opened(page).getByRole('button', { name: 'Add boot entry' }).click();
    // The answer leads back to the page, which is drawn anew; until then there is no such line.
    await expect(entry(page, 'plain')).toContainText('An iPXE script');
    await page.getByText('Add a group…').click();
    await opened(page).getByLabel('Name').fill('row-plain');
    await opened(page).getByLabel('Boot entry').selectOption({ label: 'plain' });
    await opened(page).getByRole('button', { name: 'Add group' }).click();
    await expect(group(page, 'row-plain')).toContainText('boots plain');
    for (const [line, name] of [[group(page, 'row-plain'), 'row-plain'], [entry(page, 'plain'), 'plain']] as const) {
      await line.locator('summary').first().click();
      await line.getByText('Remove…').click();
      await line.getByRole('button', { name: `Remove ${name}` }).click();
      await expect(line).toHaveCount(0);
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('Boot');
    }
  });
});

for (const theme of themes) {
  for (const width of widths) {
    test(`filled lists and open forms, ${theme} at ${width[0]}`, async ({ page }) => {
      test.setTimeout(120_000);
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width: width[0], height: width[1] });
      const shot = (name: string) => look(page, `${name}-${theme}-${width[0]}`);
      await signIn(page);
      await open(page, '/boot');
      await shot('boot-filled');
      await entry(page, 'tool').locator('summary').first().click();
      await shot('boot-entry-open');
      await page.getByText('Add a group…').click();
      await shot('boot-group-form');
      await open(page, '/network');
      await shot('network-filled');
      await scope(page, 'room-2').getByText('Edit…').click();
      await shot('network-scope-form');
      await open(page, '/loaders?set=e2e-1');
      await expect(page.getByRole('heading', { name: 'Files of e2e-1' })).toBeVisible();
      await set(page, 'e2e-1').getByText('Make default…').click();
      await shot('loaders-filled');
      await computer(page, 'bench-9');
      await page.getByText('Change what it boots…').click();
      await choice(page).getByText('Why', { exact: true }).click();
      await shot('computer-choice');
    });
  }
}

test('all of it is removed, each after a second step', async ({ page }) => {
  await signIn(page);
  await computer(page, 'bench-9');
  await page.getByText('Remove…').click();
  await page.getByRole('button', { name: 'Remove bench-9' }).click();
  await page.waitForURL('**/floor');
  await open(page, '/boot');
  for (const [line, name] of [[group(page, 'row-a'), 'row-a'], [entry(page, 'tool'), 'tool']] as const) {
    await line.locator('summary').first().click();
    await line.getByText('Remove…').click();
    await line.getByRole('button', { name: `Remove ${name}` }).click();
    await expect(line).toHaveCount(0);
  }
  await open(page, '/network');
  const reserved = reservation(page, '10.20.0.9');
  await reserved.getByText('Edit…').click();
  await reserved.getByText('Reserve no more…').click();
  await reserved.getByRole('button', { name: 'Reserve 10.20.0.9 no more' }).click();
  await expect(reserved).toHaveCount(0);
  await scope(page, 'room-2').getByText('Edit…').click();
  await scope(page, 'room-2').getByText('Remove…').click();
  await scope(page, 'room-2').getByRole('button', { name: 'Remove room-2' }).click();
  await expect(scope(page, 'room-2')).toHaveCount(0);
  await open(page, '/loaders');
  await set(page, 'e2e-1').getByText('Delete…').click();
  await set(page, 'e2e-1').getByRole('button', { name: 'Delete e2e-1' }).click();
  await expect(set(page, 'e2e-1')).toHaveCount(0);
});
