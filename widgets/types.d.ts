// What the build puts in, and what css files are.
declare const __POLOS_HASH__: string;

declare module "*.css" {
  const text: string;
  export default text;
}
