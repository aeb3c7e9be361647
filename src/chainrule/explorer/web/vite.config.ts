import { defineConfig } from "vite";

// Names without hashes: the built files are in the repository, and a rebuild is then a readable difference.
export default defineConfig({
  base: "/",
  build: {
    outDir: "../page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        entryFileNames: "assets/explorer.js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  server: { proxy: { "/api": process.env["EXPLORER"] ?? "http://127.0.0.1:8765" } },
});
