// What the word model of language.cc learns from: sentences and common words of the languages in Latin
// script, written for this file. Sentences give the letters that follow each other; the words of a
// closed class (articles, pronouns, prepositions) are what tells close languages apart. More text here
// is all that a better model needs; tests/verifiers/language_cases_test.cc says whether it is better.
#include "verifiers/language_model.h"

namespace cogent {

const std::vector<LanguageText>& LanguageTexts() {
  static const std::vector<LanguageText> texts = {
      {"en", R"(
Suppose that every player draws one card and that the highest number wins the round. Then the
first player wins whenever her card is larger than both of the others. Hmm, let me think about
this again. We want to find how many ways there are to choose three books from a shelf of nine. If
the order does not matter, we divide by the number of arrangements. That would give eighty four
possible choices, which seems about right. However, I forgot that two of those books are exactly
the same, so some choices were counted twice. Okay, so what happens when the speed is doubled? The
time becomes half as long, while the distance stays unchanged. Alternatively, we could draw a
picture and measure the angle between these lines. Since the sum is odd, at least one of them has
to be odd as well. This means our assumption was wrong and the statement is false for large
values. Because each term is smaller than the previous one, the sequence must converge. Does this
hold for negative numbers too? Yes, it should work just as before. A farmer sells his eggs at the
market every week and keeps some for himself. They had been walking since morning when it started
to rain. Her brother would rather have stayed at home with a good book. You can always ask someone
who knows more about it than me. Where were you yesterday evening, and why did nobody tell us? It
took him several years to learn how to play the piano well. Please show your work step by step
before giving a final answer. First simplify the expression on the left side, then multiply both
sides by the common denominator. Notice that any integer which is divisible by six is also
divisible by two and three. Here the function grows faster than its derivative. What is the
probability of throwing at least one head? Each child got the same amount, and nothing was left
over. Another approach might be easier: we look only at what remains after the last step. So far
everything is fine, but I am not sure whether this case can occur at all. Let me double check by
using small examples. Clearly the area under the curve is finite. From here it follows immediately
that there are infinitely many solutions. Given these conditions, can we say anything about their
product? Actually, that is a mistake, it should be minus instead of plus. Now consider the
triangle whose vertices lie on the circle. Its height equals twice the radius. Most people would
guess that the result depends on the temperature of the water. Thus, after ten minutes, only a
third of it is still there. The teacher asked them to write down their own question and to discuss
it with a friend. Maybe we should try something different, like replacing the unknown by its
square. In other words, no such number exists. I will begin with the simplest case and work my way
up. How do they know that the shop closes early on Monday? Someone must have left the door open
during the night. Without loss of generality we may assume that the smallest of those is zero. We
are told that the machine makes fifty parts per hour, and that a few of these are broken. Right,
now everything fits together, and the proof is complete. A user asked about the weather; the
assistant should answer politely and briefly. They also need to compare prices, because money is
short this month. Looking at the table again, the second row is greater than what was given.
Thanks to the hint, my guess became a real argument. Once more: count, compare, conclude. Use the
formula for the volume of a box. Both methods agree, which is good news. Nothing else has changed,
and neither of us could explain why.)",
       R"(
the of and to in is it that was for on are as with his they at be this from have or by one had not
but what all were when we there can an your which their said if do will each about how up out them
then she many some so these would other into has more her two like him see time could no make than
first been its who now people my made over did down only way find use may water long little very
after words called just where most know get through back much before go good new write our used me
man too any day same right look think also around another came come work three word must because
does part even place well such here take why things help put years different away again off went
old number great tell men say small every found still between name should home big give air line
set own under read last never us left end along while might next sound below saw something thought
both few those always looked show large often together asked house world going want school
important until form food keep children feet land side without boy once animals life enough took
sometimes four head above kind began almost live page got earth need far hand high year mother
light parts country father let night following picture being study second eyes soon times story
boys since white days ever paper hard near sentence better best across during today others however
sure means knew it's try told young miles sun ways thing whole hear example heard several change
answer room sea against top turned learn point city play toward five using himself usually money
seen didn't don't doesn't isn't can't won't I'm I'll I've you you're we'll let's that's there's
what's am yes wait okay hmm thus hence therefore maybe perhaps actually though although whether
unless within equals equal zero seven eight nine ten eleven twelve twenty thirty hundred thousand
half third quarter remainder solution equation value result sum product step check correct wrong
total energy kinetic potential force mass acceleration velocity gravity electric magnetic current
voltage resistance charge electron proton neutron nucleus atom molecule ion reaction chemical
physical biology chemistry physics cell membrane protein enzyme photosynthesis respiration
mitochondria organism species evolution genetic bacteria virus temperature pressure volume density
concentration solution mixture compound element metal acid base oxygen hydrogen carbon nitrogen
configuration structure property function derivative integral limit sequence series convergence
matrix vector determinant eigenvalue polynomial coefficient root factor prime divisor multiple
fraction decimal percentage ratio proportion average mean median variance distribution probability
random sample event independent conditional hypothesis theorem lemma proof corollary induction
contradiction set subset union intersection graph vertex edge path tree algorithm complexity
memory program variable loop array string output input compiler circle radius diameter angle
triangle square rectangle polygon perimeter area surface sphere cylinder cone plane line point
slope economy market price demand supply cost profit interest rate government history century war
nation culture language literature question answer evidence argument conclusion definition
assumption approach method strategy calculation estimate approximation therefore moreover
furthermore nevertheless consequently otherwise meanwhile specifically essentially basically
obviously)"},
      {"es", R"(
Supongamos que cada jugador saca una carta y que gana la más alta. Entonces el primero gana
siempre que la suya sea mayor que las otras dos. A ver, voy a pensarlo de nuevo. Queremos saber de
cuántas maneras se pueden elegir tres libros de un estante con nueve. Si el orden no importa, hay
que dividir entre el número de permutaciones. Eso daría ochenta y cuatro posibilidades, lo cual
parece razonable. Sin embargo, olvidé que dos de esos libros son iguales, así que algunas opciones
se contaron dos veces. ¿Qué ocurre cuando la velocidad se duplica? El tiempo se reduce a la mitad,
mientras que la distancia no cambia. También podríamos hacer un dibujo y medir el ángulo entre
estas rectas. Como la suma es impar, al menos uno de ellos tiene que ser impar. Esto significa que
nuestra hipótesis era falsa para valores grandes. Ya que cada término es menor que el anterior, la
sucesión debe converger. ¿Vale esto para los números negativos? Sí, debería funcionar igual que
antes. Un campesino vende sus huevos en el mercado todas las semanas y guarda algunos para él.
Habían estado caminando desde la mañana cuando empezó a llover. Su hermano hubiera preferido
quedarse en casa con un buen libro. Siempre puedes preguntar a alguien que sepa más que yo. ¿Dónde
estabas ayer por la noche y por qué nadie nos avisó? Tardó varios años en aprender a tocar bien el
piano. Muestra tu razonamiento paso a paso antes de dar la respuesta final. Simplificamos la
expresión del lado izquierdo y luego multiplicamos ambos lados por el denominador común.
Observemos que cualquier entero divisible por seis lo es también por dos y por tres. Aquí la
función crece más rápido que su derivada. ¿Cuál es la probabilidad de obtener al menos una cara?
Cada niño recibió lo mismo y no sobró nada. Otro método sería más fácil: miramos solamente lo que
queda después del último paso. Hasta ahora todo está bien, pero no estoy seguro de que este caso
pueda darse. Vamos a comprobarlo con ejemplos pequeños. Claramente el área bajo la curva es
finita. De aquí se deduce que hay infinitas soluciones. Con estas condiciones, ¿podemos decir algo
de su producto? En realidad hay un error, debería ser menos en lugar de más. Consideremos ahora el
triángulo cuyos vértices están en la circunferencia. Su altura es el doble del radio. La mayoría
de la gente pensaría que el resultado depende de la temperatura del agua. Pasados diez minutos,
solo queda un tercio. La profesora les pidió que escribieran su propia pregunta y que la
discutieran con un amigo. Quizás debamos intentar otra cosa, como cambiar la incógnita por su
cuadrado. Dicho de otro modo, no existe ningún número así. Empiezo con el caso más sencillo y sigo
desde ahí. ¿Cómo saben que la tienda cierra temprano los lunes? Alguien dejó la puerta abierta
durante la noche. Sin pérdida de generalidad podemos suponer que el menor de ellos es cero. Nos
dicen que la máquina fabrica cincuenta piezas por hora y que unas pocas salen rotas. Bueno, ahora
todo encaja y la demostración está completa. El usuario preguntó por el tiempo y hay que
contestarle con amabilidad. Además necesitan comparar los precios, porque este mes tienen poco
dinero. Mirando otra vez la tabla, la segunda fila es mayor que la dada. Gracias a la pista, mi
idea se convirtió en un argumento. Hagamos la cuenta, comparemos y concluyamos. Usamos la fórmula
del volumen de una caja. Los dos caminos coinciden, buena noticia. Nada más ha cambiado y ninguno
de nosotros supo explicarlo. Calculemos cuánto vale. Luego despejamos y obtenemos que falta.)",
       R"(
de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me
si sin sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde
está mi porque qué sólo han yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo
mismo ese ahora cada e vida otro después te otros aunque esa eso hace otra gobierno tan durante
siempre día tanto ella tres sí dijo sido gran país según menos mundo año antes estado contra sino
forma caso nada hacer general estaba poco estos presente mayor ante unos les algo hacia casa ellos
ayer hecho primera mucho mientras además quien momento millones esto hombre están pues hoy lugar
nosotros trabajo otras mejor nuevo decir algunos entonces todas días debe política cómo casi toda
tal luego pasado primer medio va estas sea tenía nunca poder aquí ver veces embargo partido
personas grupo cuenta pueden tienen misma nueva cual fueron mujer frente tras cosas fin ciudad he
social manera tener sistema será historia muchos cuatro tengo dentro nuestro nuestra nuestros cuyo
cuya del ello aquel aquella quizá tampoco cualquier ambos ningún alguna alguno sería espera
correcto cierto falso igual número números ecuación resultado suma resta producto respuesta
solución paso problema valor cero cinco seis siete ocho nueve diez once doce veinte cien mil mitad
resto primero segundo segunda tercero verdad vamos tenemos queda puedo hago debo necesito necesita
comprobar escribir calcular energía cinética potencial fuerza masa aceleración velocidad gravedad
eléctrico eléctrica magnético corriente voltaje resistencia carga electrón protón neutrón núcleo
átomo molécula ion reacción químico química físico física biología célula membrana proteína enzima
fotosíntesis respiración mitocondrias organismo especie evolución genético bacteria virus
temperatura presión volumen densidad concentración disolución mezcla compuesto elemento metal
ácido oxígeno hidrógeno carbono nitrógeno configuración estructura propiedad función derivada
integral límite sucesión serie convergencia matriz vector determinante polinomio coeficiente raíz
factor primo divisor múltiplo fracción decimal porcentaje razón proporción promedio media mediana
varianza distribución probabilidad aleatorio muestra suceso independiente hipótesis teorema lema
demostración corolario inducción contradicción conjunto unión intersección grafo vértice arista
camino árbol algoritmo complejidad memoria programa variable bucle cadena salida entrada círculo
circunferencia radio diámetro ángulo triángulo cuadrado rectángulo polígono perímetro área
superficie esfera cilindro cono plano recta punto pendiente economía mercado precio demanda oferta
coste ganancia interés tasa historia siglo guerra nación cultura lengua literatura pregunta prueba
argumento conclusión definición suposición método estrategia cálculo estimación aproximación
asimismo consiguiente obviamente)"},
      {"fr", R"(
Supposons que chaque joueur tire une carte et que la plus haute gagne. Alors le premier gagne dès
que la sienne est plus grande que les deux autres. Voyons, je vais y réfléchir encore une fois. On
veut savoir de combien de façons on peut choisir trois livres sur une étagère de neuf. Si l'ordre
n'a pas d'importance, on divise par le nombre de permutations. Cela donnerait quatre-vingt-quatre
possibilités, ce qui semble raisonnable. Pourtant j'ai oublié que deux de ces livres sont
identiques, donc certains choix ont été comptés deux fois. Que se passe-t-il quand la vitesse
double ? La durée est divisée par deux, tandis que la distance ne change pas. On pourrait aussi
faire un dessin et mesurer l'angle entre ces droites. Comme la somme est impaire, au moins l'un
d'eux doit être impair. Cela signifie que notre hypothèse était fausse pour de grandes valeurs.
Puisque chaque terme est plus petit que le précédent, la suite converge. Est-ce vrai aussi pour
les nombres négatifs ? Oui, cela devrait marcher comme avant. Un paysan vend ses œufs au marché
toutes les semaines et en garde quelques-uns pour lui. Ils marchaient depuis le matin lorsqu'il a
commencé à pleuvoir. Son frère aurait préféré rester chez lui avec un bon livre. Tu peux toujours
demander à quelqu'un qui en sait plus que moi. Où étais-tu hier soir, et pourquoi personne ne nous
a prévenus ? Il lui a fallu plusieurs années pour apprendre à bien jouer du piano. Montrez votre
raisonnement étape par étape avant de donner la réponse finale. Simplifions l'expression du membre
de gauche, puis multiplions les deux membres par le dénominateur commun. On remarque que tout
entier divisible par six l'est également par deux et par trois. Ici la fonction croît plus vite
que sa dérivée. Quelle est la probabilité d'obtenir au moins une fois face ? Chaque enfant a reçu
la même chose et il n'est rien resté. Une autre méthode serait plus facile : on regarde seulement
ce qui demeure après la dernière étape. Jusqu'ici tout va bien, mais je ne suis pas sûr que ce cas
puisse arriver. Vérifions-le sur de petits exemples. L'aire sous la courbe est évidemment finie.
Il en résulte qu'il existe une infinité de solutions. Avec ces conditions, que peut-on dire de
leur produit ? En fait c'est une erreur, ce devrait être moins et non plus. Considérons maintenant
le triangle dont les sommets se trouvent sur le cercle. Sa hauteur vaut le double du rayon. La
plupart des gens penseraient que le résultat dépend de la température de l'eau. Au bout de dix
minutes, il n'en reste qu'un tiers. La maîtresse leur a demandé d'écrire leur propre question et
d'en parler avec un ami. Peut-être devrions-nous essayer autre chose, comme remplacer l'inconnue
par son carré. Autrement dit, aucun nombre de ce genre n'existe. Je commence par le cas le plus
simple et je continue à partir de là. Comment savent-ils que le magasin ferme tôt le lundi ?
Quelqu'un a laissé la porte ouverte pendant la nuit. Sans perte de généralité, nous pouvons
supposer que le plus petit est nul. On nous dit que la machine fabrique cinquante pièces par heure
et que quelques-unes sont cassées. Bon, maintenant tout s'accorde et la preuve est complète.
L'utilisateur demande quel temps il fera, il faut lui répondre poliment. Ils doivent aussi
comparer les prix, car ce mois-ci ils ont peu d'argent. En regardant encore le tableau, la
deuxième ligne dépasse celle qui était donnée. Grâce à l'indice, mon idée est devenue un argument.
Faisons le compte, comparons et concluons. J'utilise la formule du volume d'une boîte. Les deux
chemins sont d'accord, bonne nouvelle. Rien d'autre n'a changé et aucun de nous n'a su
l'expliquer. Calculons combien cela fait. Ensuite on isole la variable et on trouve ce qui manque.)",
       R"(
de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec
son aux d'un cette d'une ont ses mais comme on tout nous sa fait été aussi leur bien peut ces y
deux ans encore n'est marché d entre qu'il temps également donc sans où lui si sous c'est depuis
autre même jour elle dont ils mon je je suis j'ai moi très leurs après avant trop être avoir faire
dire voir aller quand alors ainsi puis car parce lorsque tandis quoi quel quelle quels quelles
chaque plusieurs toujours jamais rien personne toute tous toutes cela ça ceci celui celle ceux ici
là peu beaucoup moins assez vers chez contre pendant selon malgré jusque jusqu'à dès notre nos
votre vos mes tes te tu me vous soit serait sera était étaient avait avaient doit doivent faut
peuvent pourrait vont va ensuite enfin d'abord maintenant attendez attends oui non peut-être
cependant pourtant or ni premier première deuxième second dernier dernière trois quatre cinq six
sept huit neuf dix onze douze vingt cent mille zéro moitié reste nombre nombres équation résultat
somme produit réponse solution étape problème valeur vrai faux juste égal égale vérifier écrire
calculer trouver obtient obtenir devient savons pouvons devons avons commençons l'on qu'on qu'elle
s'il d'où n'a n'y l'un l'autre eux aucune aucun certains quelque chose fois façon partie exemple
cas ligne mot maison monde énergie cinétique potentielle force masse accélération vitesse gravité
électrique magnétique courant tension résistance charge électron proton neutron noyau atome
molécule ion réaction chimique chimie physique biologie cellule membrane protéine enzyme
photosynthèse respiration mitochondries organisme espèce évolution génétique bactérie virus
température pression volume densité concentration mélange composé élément métal acide oxygène
hydrogène carbone azote configuration électronique structure propriété fonction dérivée intégrale
limite suite série convergence matrice vecteur déterminant polynôme coefficient racine facteur
premier diviseur multiple fraction décimal pourcentage rapport proportion moyenne médiane variance
répartition probabilité aléatoire échantillon événement indépendant hypothèse théorème lemme
démonstration corollaire récurrence contradiction ensemble union intersection graphe sommet arête
chemin arbre algorithme complexité mémoire programme variable boucle chaîne sortie entrée cercle
rayon diamètre angle triangle carré rectangle polygone périmètre aire surface sphère cylindre cône
plan droite point pente économie marché prix demande offre coût bénéfice intérêt taux histoire
siècle guerre nation culture langue littérature question preuve argument conclusion définition
supposition méthode stratégie calcul estimation approximation divisible soit ailleurs évidemment)"},
      {"pt", R"(
Vamos supor que cada jogador tira uma carta e que ganha a mais alta. Então o primeiro ganha sempre
que a dele seja maior do que as outras duas. Bem, vou pensar nisso de novo. Queremos saber de
quantas maneiras se podem escolher três livros de uma estante com nove. Se a ordem não importa, é
preciso dividir pelo número de permutações. Isso daria oitenta e quatro possibilidades, o que
parece razoável. No entanto, esqueci que dois desses livros são iguais, por isso algumas escolhas
foram contadas duas vezes. O que acontece quando a velocidade dobra? O tempo cai para a metade,
enquanto a distância não muda. Também poderíamos fazer um desenho e medir o ângulo entre estas
retas. Como a soma é ímpar, pelo menos um deles tem de ser ímpar. Isto significa que a nossa
hipótese era falsa para valores grandes. Já que cada termo é menor do que o anterior, a sequência
deve convergir. Será que isso vale para os números negativos? Sim, deveria funcionar da mesma
forma que antes. Um camponês vende os seus ovos no mercado todas as semanas e guarda alguns para
si. Eles vinham caminhando desde a manhã quando começou a chover. O irmão dela teria preferido
ficar em casa com um bom livro. Você sempre pode perguntar a alguém que saiba mais do que eu. Onde
você estava ontem à noite, e por que ninguém nos avisou? Ele levou vários anos para aprender a
tocar bem o piano. Mostre o seu raciocínio passo a passo antes de dar a resposta final.
Simplificamos a expressão do lado esquerdo e depois multiplicamos os dois lados pelo denominador
comum. Observe que qualquer inteiro divisível por seis também o é por dois e por três. Aqui a
função cresce mais depressa do que a sua derivada. Qual é a probabilidade de sair pelo menos uma
cara? Cada criança recebeu o mesmo e não sobrou nada. Outro método seria mais fácil: olhamos
somente para o que fica depois do último passo. Até agora está tudo bem, mas não tenho certeza de
que este caso possa acontecer. Vamos conferir com exemplos pequenos. Claramente a área sob a curva
é finita. Daqui se conclui que há infinitas soluções. Com estas condições, podemos dizer alguma
coisa do produto deles? Na verdade há um erro, deveria ser menos em vez de mais. Consideremos
agora o triângulo cujos vértices estão na circunferência. A sua altura é o dobro do raio. A
maioria das pessoas pensaria que o resultado depende da temperatura da água. Passados dez minutos,
só sobra um terço dela. A professora pediu que eles escrevessem a própria pergunta e que a
discutissem com um amigo. Talvez devêssemos tentar outra coisa, como trocar a incógnita pelo seu
quadrado. Dito de outro modo, não existe nenhum número assim. Começo com o caso mais simples e
sigo a partir daí. Como eles sabem que a loja fecha cedo às segundas? Alguém deixou a porta aberta
durante a noite. Sem perda de generalidade podemos supor que o menor deles é zero. Dizem-nos que a
máquina fabrica cinquenta peças por hora e que umas poucas saem quebradas. Certo, agora tudo se
encaixa e a demonstração está completa. O usuário perguntou pelo tempo e é preciso responder com
gentileza. Além disso, eles precisam comparar os preços, porque este mês têm pouco dinheiro.
Olhando outra vez para a tabela, a segunda linha é maior do que a dada. Graças à dica, a minha
ideia virou um argumento. Façamos a conta, comparemos e concluamos. Usamos a fórmula do volume de
uma caixa. Os dois caminhos concordam, boa notícia. Nada mais mudou e nenhum de nós soube
explicar. Calculemos quanto vale. Em seguida isolamos a variável e achamos o que falta. Ainda não
sei se essas contas estão certas.)",
       R"(
de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das
tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era
depois sem mesmo aos ter seus quem nas me esse eles estão você tinha foram essa num nem suas meu
às minha têm numa pelos elas havia seja qual será nós tenho lhe deles essas esses pelas este fosse
dele tu te vocês vos lhes meus minhas teu tua nosso nossa nossos nossas dela delas esta estes
estas aquele aquela isto aquilo estou estamos estava são somos sou era eram fui vai vamos vou pode
podem deve devem faz fazer fiz ver dizer bem assim então agora antes ainda sempre nunca nada tudo
todo toda todos todas cada outro outra outros outras algum alguma alguns algumas nenhum nenhuma
qualquer onde porque pois portanto logo embora porém contudo enquanto desde durante contra sobre
sob após primeiro primeira segundo segunda terceiro último última dois duas três quatro cinco seis
sete oito nove dez onze doze vinte cem mil zero metade resto número números equação resultado soma
produto resposta solução passo problema valor verdade certo errado falso igual espere espera sim
talvez verificar escrever calcular encontrar obtemos obtenho temos sabemos podemos devemos
precisamos precisa ambos tanto quanto mundo casa dia ano anos vez vezes coisa pessoas tempo vida
parte forma maneira exemplo caso bom boa grande maior menor melhor novo nova mesma própria lá aqui
ali daquele neste nesta nesse nessa disso disto energia cinética potencial força massa aceleração
velocidade gravidade elétrico elétrica magnético corrente tensão resistência carga elétron próton
nêutron núcleo átomo molécula íon reação químico química físico física biologia célula membrana
proteína enzima fotossíntese respiração mitocôndrias organismo espécie evolução genético bactéria
vírus temperatura pressão volume densidade concentração mistura composto elemento metal ácido
oxigênio hidrogênio carbono nitrogênio configuração eletrônica estrutura propriedade função
derivada integral limite sequência série convergência matriz vetor determinante polinômio
coeficiente raiz fator primo divisor múltiplo fração decimal porcentagem razão proporção média
mediana variância distribuição probabilidade aleatório amostra evento independente hipótese
teorema lema demonstração corolário indução contradição conjunto união interseção grafo vértice
aresta caminho árvore algoritmo complexidade memória programa variável laço cadeia saída entrada
círculo circunferência raio diâmetro ângulo triângulo quadrado retângulo polígono perímetro área
superfície esfera cilindro cone plano reta ponto inclinação economia mercado preço demanda oferta
custo lucro juros taxa história século guerra nação cultura língua literatura pergunta prova
argumento conclusão definição suposição método estratégia cálculo estimativa aproximação contamos
conta contar novamente obviamente consequentemente)"},
      {"de", R"(
Angenommen, jeder Spieler zieht eine Karte, und die höchste gewinnt. Dann siegt der erste immer,
wenn seine größer ist als die beiden anderen. Hm, darüber denke ich noch einmal nach. Wir wollen
wissen, auf wie viele Arten man drei Bücher aus einem Regal mit neun wählen kann. Wenn die
Reihenfolge keine Rolle spielt, teilt man durch die Anzahl der Anordnungen. Das ergäbe
vierundachtzig Möglichkeiten, was vernünftig klingt. Allerdings habe ich vergessen, dass zwei
dieser Bücher gleich sind, also wurden manche Auswahlen doppelt gezählt. Was geschieht, wenn sich
die Geschwindigkeit verdoppelt? Die Zeit halbiert sich, während die Strecke gleich bleibt. Wir
könnten auch ein Bild zeichnen und den Winkel zwischen diesen Geraden messen. Da die Summe
ungerade ist, muss wenigstens eine von ihnen ungerade sein. Das bedeutet, dass unsere Annahme für
große Werte falsch war. Weil jedes Glied kleiner ist als das vorige, muss die Folge konvergieren.
Gilt das auch für negative Zahlen? Ja, es sollte genauso gehen wie vorher. Ein Bauer verkauft jede
Woche seine Eier auf dem Markt und behält einige für sich. Sie waren schon seit dem Morgen
unterwegs, als es zu regnen begann. Ihr Bruder wäre lieber mit einem guten Buch zu Hause
geblieben. Du kannst immer jemanden fragen, der mehr davon versteht als ich. Wo warst du gestern
Abend, und warum hat uns niemand Bescheid gesagt? Er brauchte mehrere Jahre, um gut Klavier
spielen zu lernen. Zeige deinen Gedankengang Schritt für Schritt, bevor du die endgültige Antwort
gibst. Zunächst vereinfachen wir den Ausdruck auf der linken Seite, danach multiplizieren wir
beide Seiten mit dem gemeinsamen Nenner. Man sieht, dass jede ganze Zahl, die durch sechs teilbar
ist, auch durch zwei und drei teilbar ist. Hier wächst die Funktion schneller als ihre Ableitung.
Wie groß ist die Wahrscheinlichkeit, mindestens einmal Kopf zu werfen? Jedes Kind bekam gleich
viel, und nichts blieb übrig. Ein anderer Weg wäre leichter: Wir schauen nur auf das, was nach dem
letzten Schritt bleibt. Bis jetzt ist alles in Ordnung, aber ich bin nicht sicher, ob dieser Fall
überhaupt eintreten kann. Prüfen wir es an kleinen Beispielen. Offenbar ist die Fläche unter der
Kurve endlich. Daraus folgt sofort, dass es unendlich viele Lösungen gibt. Können wir unter diesen
Bedingungen etwas über ihr Produkt sagen? Eigentlich ist das ein Fehler, es müsste minus statt
plus heißen. Betrachten wir nun das Dreieck, dessen Ecken auf dem Kreis liegen. Seine Höhe ist
doppelt so groß wie der Radius. Die meisten Leute würden vermuten, dass das Ergebnis von der
Temperatur des Wassers abhängt. Nach zehn Minuten ist nur noch ein Drittel davon da. Die Lehrerin
bat sie, eine eigene Frage aufzuschreiben und mit einem Freund darüber zu sprechen. Vielleicht
sollten wir etwas anderes versuchen, zum Beispiel die Unbekannte durch ihr Quadrat ersetzen. Mit
anderen Worten, eine solche Zahl existiert nicht. Ich fange mit dem einfachsten Fall an und
arbeite mich hoch. Woher wissen sie, dass der Laden montags früh schließt? Jemand muss in der
Nacht die Tür offen gelassen haben. Ohne Beschränkung der Allgemeinheit dürfen wir annehmen, dass
die kleinste davon null ist. Uns wird gesagt, dass die Maschine fünfzig Teile in der Stunde macht
und dass einige wenige kaputt sind. Gut, nun passt alles zusammen, und der Beweis ist fertig. Der
Benutzer fragte nach dem Wetter, man antwortet ihm höflich und kurz. Außerdem müssen sie Preise
vergleichen, denn in diesem Monat ist das Geld knapp. Wenn man noch einmal auf die Tabelle schaut,
ist die zweite Zeile größer als angegeben. Dank des Hinweises wurde aus meiner Vermutung ein
Argument. Zählen, vergleichen, schließen. Ich benutze die Formel für das Volumen einer Kiste.
Beide Wege stimmen überein, eine gute Nachricht. Sonst hat sich nichts geändert, und keiner von
uns konnte es erklären. Rechnen wir aus, wie viel das ist. Anschließend lösen wir auf und finden,
was fehlt.)",
       R"(
der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden
aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur
oder aber vor zur bis mehr durch man sein wurde sei ihr ihre ihren ihrem seine seinen seiner hatte
kann gegen vom können schon wenn habe dieser diese dieses diesem diesen unter wir soll ich eines
es mich mir dich dir uns euch ihm ihn ihnen jetzt alle alles wieder meine mein meiner keine kein
keinen zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig hundert tausend null
hälfte rest zahl zahlen gleichung ergebnis summe produkt antwort lösung schritt aufgabe wert wahr
richtig falsch gleich stimmt also dann denn da weil ob damit daher deshalb somit folglich jedoch
doch trotzdem zwar sondern weder noch nun erst zuerst zunächst danach schließlich immer nie nichts
etwas jemand niemand jeder jede jedes jeden beide beiden viele viel wenig weniger ganz sehr hier
dort wo wer was warum welche welcher welches wollen muss müssen musste darf sollte würde wäre
hätte könnte gibt geht macht machen sagen sehen kommt kommen bleibt bleiben heißt nehmen gilt
erhalten erhält bekommen prüfen rechnen schreiben finden zeigen einsetzen moment warte ja nein
vielleicht genau zweite zweiten dritte erste ersten letzte letzten andere anderen mal seit während
zwischen ohne außer bereits etwa zeit jahr jahre tag mann frau kind haus welt leben teil hand
leute stadt weg groß klein gut neu alt lang daraus davon Energie kinetische Kraft Masse
Beschleunigung Geschwindigkeit Schwerkraft elektrisch magnetisch Strom Spannung Widerstand Ladung
Elektron Proton Neutron Kern Atom Molekül Ion Reaktion chemisch physikalisch Biologie Chemie
Physik Zelle Membran Protein Enzym Photosynthese Atmung Mitochondrien Lebewesen Art Evolution
genetisch Bakterien Virus Temperatur Druck Volumen Dichte Konzentration Mischung Verbindung
Element Metall Säure Sauerstoff Wasserstoff Kohlenstoff Stickstoff Elektronenkonfiguration Aufbau
Eigenschaft Funktion Ableitung Integral Grenzwert Folge Reihe Konvergenz Matrix Vektor
Determinante Eigenwert Polynom Koeffizient Wurzel Faktor Primzahl Teiler Vielfaches Bruch
Dezimalzahl Prozent Verhältnis Anteil Durchschnitt Mittelwert Median Varianz Verteilung
Wahrscheinlichkeit zufällig Stichprobe Ereignis unabhängig Hypothese Satz Lemma Beweis Korollar
Induktion Widerspruch Menge Vereinigung Schnittmenge Graph Knoten Kante Pfad Baum Algorithmus
Komplexität Speicher Programm Variable Schleife Zeichenkette Ausgabe Eingabe Kreis Radius
Durchmesser Winkel Dreieck Quadrat Rechteck Vieleck Umfang Fläche Oberfläche Kugel Zylinder Kegel
Ebene Gerade Punkt Steigung Wirtschaft Markt Preis Nachfrage Angebot Kosten Gewinn Zins Regierung
Geschichte Jahrhundert Krieg Kultur Sprache Literatur Frage Beleg Argument Schluss Definition
Annahme Verfahren Vorgehen Rechnung Schätzung Näherung außerdem offensichtlich)"},
      {"it", R"(
Supponiamo che ogni giocatore peschi una carta e che vinca la più alta. Allora il primo vince ogni
volta che la sua è maggiore delle altre due. Vediamo, ci penso ancora un momento. Vogliamo sapere
in quanti modi si possono scegliere tre libri da uno scaffale con nove. Se l'ordine non conta,
bisogna dividere per il numero delle permutazioni. Questo darebbe ottantaquattro possibilità, il
che sembra ragionevole. Tuttavia ho dimenticato che due di quei libri sono uguali, perciò alcune
scelte sono state contate due volte. Che cosa succede quando la velocità raddoppia? Il tempo si
dimezza, mentre la distanza non cambia. Siccome la somma è dispari, almeno uno di loro deve essere
dispari. Ciò significa che la nostra ipotesi era sbagliata per valori grandi. Un contadino vende
le sue uova al mercato ogni settimana e ne tiene qualcuna per sé. Camminavano già dal mattino
quando ha cominciato a piovere. Suo fratello avrebbe preferito restare a casa con un bel libro.
Puoi sempre chiedere a qualcuno che ne sappia più di me. Dove eri ieri sera e perché nessuno ci ha
avvertito? Mostra il tuo ragionamento passo dopo passo prima di dare la risposta finale.
Semplifichiamo l'espressione a sinistra e poi moltiplichiamo entrambi i membri per il denominatore
comune. Qui la funzione cresce più in fretta della sua derivata. Ogni bambino ha ricevuto la
stessa cosa e non è rimasto niente. Finora va tutto bene, ma non sono sicuro che questo caso possa
capitare. Verifichiamolo con esempi piccoli. Ne segue che esistono infinite soluzioni. In realtà
c'è un errore, dovrebbe essere meno invece di più. Consideriamo adesso il triangolo i cui vertici
stanno sul cerchio. La maggior parte della gente penserebbe che il risultato dipenda dalla
temperatura dell'acqua. Forse dovremmo provare qualcos'altro. In altre parole, nessun numero del
genere esiste. Come fanno a sapere che il negozio chiude presto il lunedì? Qualcuno deve aver
lasciato aperta la porta durante la notte. Bene, ora tutto torna e la dimostrazione è completa.
Devono anche confrontare i prezzi, perché questo mese hanno pochi soldi. Calcoliamo quanto fa. Poi
isoliamo la variabile e troviamo quello che manca. Chi arriva per ultimo spegne la luce e chiude
bene le finestre.)",
       R"(
di e che la il un a per in una è sono mi ho si lo ha le ti i con cosa se non ci questo come qui
bene sei del tu solo me no te l'ho al anche della una io da ma perché nel questa hai più quando
gli era su alla tutto va essere così dei mio delle fare dal quello nella sua vuoi dove voglio
quindi allora ora adesso ancora sempre mai niente nulla tutti ogni molto poco due tre quattro
cinque sei sette otto nove dieci cento mille zero metà resto numero equazione somma prodotto
risposta soluzione passo problema valore vero falso giusto uguale primo prima secondo seconda
terzo ultimo dopo senza tra fra contro verso durante mentre siccome poiché però tuttavia cioè
oppure né chi cui quale quali quanto loro noi voi lui lei suo suoi nostro nostra vostro abbiamo
hanno possiamo dobbiamo siamo siete può possono deve devono fa fanno viene vengono sia fosse
sarebbe stato stata anno anni volta volte casa giorno vita tempo parte)"},
      {"nl", R"(
Stel dat elke speler een kaart trekt en dat de hoogste wint. Dan wint de eerste telkens als de
zijne groter is dan de twee andere. Even kijken, daar moet ik nog eens over nadenken. We willen
weten op hoeveel manieren je drie boeken kunt kiezen van een plank met negen. Als de volgorde er
niet toe doet, delen we door het aantal rangschikkingen. Dat zou vierentachtig mogelijkheden
geven, wat redelijk lijkt. Maar ik was vergeten dat twee van die boeken gelijk zijn, dus sommige
keuzes zijn dubbel geteld. Wat gebeurt er wanneer de snelheid verdubbelt? De tijd wordt de helft,
terwijl de afstand hetzelfde blijft. Omdat de som oneven is, moet minstens een ervan oneven zijn.
Dit betekent dat onze aanname fout was voor grote waarden. Een boer verkoopt iedere week zijn
eieren op de markt en houdt er een paar voor zichzelf. Ze liepen al sinds de ochtend toen het
begon te regenen. Haar broer was liever thuisgebleven met een goed boek. Je kunt het altijd vragen
aan iemand die er meer van weet dan ik. Waar was je gisteravond, en waarom heeft niemand ons iets
gezegd? Laat je redenering stap voor stap zien voordat je het antwoord geeft. We vereenvoudigen de
uitdrukking links en vermenigvuldigen daarna beide kanten met de gemeenschappelijke noemer. Hier
groeit de functie sneller dan haar afgeleide. Elk kind kreeg evenveel en er bleef niets over. Tot
nu toe gaat alles goed, maar ik weet niet zeker of dit geval kan voorkomen. Laten we het nagaan
met kleine voorbeelden. Hieruit volgt dat er oneindig veel oplossingen zijn. Eigenlijk is dat een
vergissing, het moet min zijn in plaats van plus. Beschouw nu de driehoek waarvan de hoekpunten op
de cirkel liggen. De meeste mensen zouden denken dat het resultaat afhangt van de temperatuur van
het water. Misschien moeten we iets anders proberen. Met andere woorden, zo'n getal bestaat niet.
Hoe weten zij dat de winkel maandag vroeg dichtgaat? Iemand heeft vannacht de deur open laten
staan. Goed, nu klopt alles en is het bewijs klaar. Ze moeten ook prijzen vergelijken, want deze
maand is er weinig geld. Wie het laatst aankomt, doet het licht uit en sluit de ramen. Daarna
lossen we op en vinden we wat er ontbreekt.)",
       R"(
de en het van ik te dat die in een hij niet zijn is was op aan met als voor had er maar om hem dan
zou of wat mijn men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe
heeft hebben deze u want nog zal me zij nu ge geen omdat iets worden toch al waren veel meer doen
toen moet ben zonder kan hun dus alles onder ja eens hier wie werd altijd doch wordt wezen kunnen
ons zelf tegen na reeds wil kon niets uw iemand geweest andere twee drie vier vijf zes zeven acht
negen tien honderd duizend nul helft rest getal getallen vergelijking uitkomst som product
antwoord oplossing stap waarde waar onwaar juist gelijk eerste tweede derde laatste elke ieder
beide wij jij jullie hen welke waarom wanneer terwijl hoewel echter daarom dus namelijk vervolgens
tenslotte nooit vaak heel erg jaar)"},
  };
  return texts;
}

}  // namespace cogent
