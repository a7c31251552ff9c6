// For lab/chroot.sh: the pages of a server that already runs (NSBOOT_URL) and has nothing but its own binary.
import { defineConfig } from '@playwright/test';
import base from './playwright.config';

export default defineConfig({ ...base, globalSetup: undefined, testDir: 'alone' });
