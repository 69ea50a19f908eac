package steadfast;

/** One thing users do with a server and what must come of it. */
record Scenario(String name, Plot plot) {
  interface Plot {
    void play(Stage stage) throws Exception;
  }
}
