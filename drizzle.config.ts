/** For `npx drizzle-kit generate` after a change in db/schema/. `batchwell migrate` runs the migrations. */
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'mysql',
  schema: './db/schema/*.ts',
  out: './db/migrations',
  casing: 'snake_case',
});
