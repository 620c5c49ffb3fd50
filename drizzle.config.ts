/** For `npx drizzle-kit generate` after a change of db/schema.ts; the migrations themselves run by `batchwell migrate`. */
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'mysql',
  schema: './db/schema.ts',
  out: './db/migrations',
  casing: 'snake_case',
});
