/** The page. This folder: what runs in the browser; `npm run generate` bundles it into built/. */
import { render } from 'preact';
import { App } from './app.tsx';

const root = document.getElementById('app');
if (root) render(<App />, root);
