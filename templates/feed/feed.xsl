<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
  xmlns:a="http://www.w3.org/2005/Atom" exclude-result-prefixes="a">
<xsl:output method="html" encoding="UTF-8" doctype-system="about:legacy-compat"/>

<xsl:template match="/">
<html lang="{{ tag }}" dir="{{ direction }}">
<head>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title><xsl:value-of select="rss/channel/title | a:feed/a:title"/></title>
<link rel="stylesheet" href="feed.css"/>
<xsl:for-each select="rss/channel/a:link[@rel='self'] | a:feed/a:link[@rel='self']">
<link rel="alternate" type="{@type}" href="{@href}"/>
</xsl:for-each>
</head>
<body>
<xsl:apply-templates select="rss/channel | a:feed"/>
</body>
</html>
</xsl:template>

<xsl:template match="channel | a:feed">
<xsl:variable name="page" select="link | a:link[@rel='alternate']/@href"/>
<header>
  <p class="name"><a href="{$page}"><xsl:value-of select="title | a:title"/></a></p>
  <p class="soft"><xsl:value-of select="description | a:subtitle"/></p>
  <div class="double"></div>
</header>
<main>
  <h1>{{ feed }}</h1>
  <p>{{ what }} {{ how }}</p>
  <p class="panel">
    <label for="address">{{ address }}</label>
    <input type="text" id="address" readonly="readonly" value="{a:link[@rel='current' or (@rel='self' and not(../a:link[@rel='current']))]/@href}"/>
    <a href="{$page}">{{ read }}</a>
  </p>
  <xsl:choose>
    <xsl:when test="item | a:entry">
      <ul><xsl:apply-templates select="item | a:entry"/></ul>
    </xsl:when>
    <xsl:otherwise><p class="empty">{{ empty }}</p></xsl:otherwise>
  </xsl:choose>
  <p>
    <xsl:if test="a:link[@rel='current']"><a href="{a:link[@rel='current']/@href}">{{ newest }}</a><xsl:text> </xsl:text></xsl:if>
    <xsl:if test="a:link[@rel='prev-archive']"><a href="{a:link[@rel='prev-archive']/@href}">{{ older }}</a></xsl:if>
  </p>
</main>
</xsl:template>

<xsl:template match="item | a:entry">
<li>
  <div class="margin">
    <span><xsl:value-of select="substring(pubDate, 6, 11)"/><xsl:value-of select="substring(a:published, 1, 10)"/></span>
    <span class="kind"><xsl:value-of select="category[not(@domain)] | a:category[not(@scheme)]/@term"/></span>
  </div>
  <div>
    <h2><a href="{link | a:link[not(@rel)]/@href}"><xsl:value-of select="title | a:title"/></a></h2>
    <!-- RSS has it as HTML, with every sign escaped that could be markup. -->
    <p><xsl:value-of select="description" disable-output-escaping="yes"/><xsl:value-of select="a:summary"/></p>
    <xsl:for-each select="enclosure/@url | a:link[@rel='enclosure']/@href">
      <p class="soft"><a href="{.}">PDF</a></p>
    </xsl:for-each>
  </div>
</li>
</xsl:template>
</xsl:stylesheet>
